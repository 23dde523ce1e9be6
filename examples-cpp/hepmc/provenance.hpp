// What a file of events says about itself in its run information: enough to make the events again.
#ifndef PROVENANCE_HPP
#define PROVENANCE_HPP

#include <HepMC3/GenRunInfo.h>

#include <cstdint>
#include <memory>
#include <string>

struct Provenance {
    std::string version; // of liblaser
    std::string model;   // SHA-256 of its networks, see model_checksum
    std::string method;  // by which the events were drawn, as "rejection"
    std::uint64_t seed = 0, stream = 0;
    std::uint64_t events = 0; // numbers 0 to events - 1 of the stream
};

// The weights of every event, the nominal one first, as readers expect. Default: 1, but for the few events that "rejection" could not accept
// often enough (README, Methods). Unrefined, a variation: gives the distribution that the generator has without refinement, Default * mean(w) / w(x).
constexpr const char *default_weight = "Default", *unrefined_weight = "Unrefined";

// As run information, with GenRunInfo::ToolInfo and the attributes laser.model.sha256, laser.method, laser.seed, laser.stream, laser.events.
std::shared_ptr<HepMC3::GenRunInfo> run_info(const Provenance &provenance);

// The reverse. Throws std::runtime_error that names what is missing.
Provenance provenance(const HepMC3::GenRunInfo &run);

// The checksum of its networks that a model file holds, and that the library compares with them whenever it loads it.
std::string model_checksum(const std::string &path);

#endif
