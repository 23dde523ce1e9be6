#include "provenance.hpp"

#include <HepMC3/Attribute.h>

#include <fstream>
#include <regex>
#include <stdexcept>

namespace {

constexpr const char *tool = "liblaser";

template <class T> T attribute(const HepMC3::GenRunInfo &run, const std::string &name)
{
    const auto found = run.attribute<T>(name);
    if (!found)
        throw std::runtime_error("the file's run information has no attribute " + name + ": it was not written by this example, or was cut");
    return *found;
}

} // namespace

std::shared_ptr<HepMC3::GenRunInfo> run_info(const Provenance &p)
{
    auto run = std::make_shared<HepMC3::GenRunInfo>();
    run->tools().push_back({tool, p.version, "latent space refinement, arXiv:2106.00792; e+ e- -> gamma Z -> gamma mu+ mu-"});
    run->set_weight_names({default_weight, unrefined_weight});
    run->add_attribute("laser.model.sha256", std::make_shared<HepMC3::StringAttribute>(p.model));
    run->add_attribute("laser.method", std::make_shared<HepMC3::StringAttribute>(p.method));
    run->add_attribute("laser.seed", std::make_shared<HepMC3::ULongAttribute>(p.seed));
    run->add_attribute("laser.stream", std::make_shared<HepMC3::ULongAttribute>(p.stream));
    run->add_attribute("laser.events", std::make_shared<HepMC3::ULongAttribute>(p.events));
    return run;
}

Provenance provenance(const HepMC3::GenRunInfo &run)
{
    Provenance p;
    for (const HepMC3::GenRunInfo::ToolInfo &made_by : run.tools())
        if (made_by.name == tool)
            p.version = made_by.version;
    if (p.version.empty())
        throw std::runtime_error("the file's run information does not name liblaser among its tools");
    p.model = attribute<HepMC3::StringAttribute>(run, "laser.model.sha256").value();
    p.method = attribute<HepMC3::StringAttribute>(run, "laser.method").value();
    p.seed = attribute<HepMC3::ULongAttribute>(run, "laser.seed").value();
    p.stream = attribute<HepMC3::ULongAttribute>(run, "laser.stream").value();
    p.events = attribute<HepMC3::ULongAttribute>(run, "laser.events").value();
    return p;
}

// A model file is a safetensors file: eight bytes, least first, tell how long the JSON after them is, in which the checksum stands.
std::string model_checksum(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    unsigned char bytes[8] = {};
    file.read(reinterpret_cast<char *>(bytes), sizeof bytes);
    std::uint64_t length = 0;
    for (int i = 8; i-- > 0;)
        length = length << 8 | bytes[i];
    constexpr std::uint64_t most = 100000000;
    std::string header(file && length < most ? length : 0, '\0');
    file.read(header.data(), static_cast<std::streamsize>(header.size()));
    const std::string::size_type key = header.find("sha256");
    std::smatch digest;
    const std::string value = key == std::string::npos ? "" : header.substr(key, 80);
    if (!std::regex_search(value, digest, std::regex("[0-9a-f]{64}")))
        throw std::runtime_error(path + " is no model file: it holds no checksum");
    return digest.str();
}
