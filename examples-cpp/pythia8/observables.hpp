// What an event is described by, for scores and plots.
#ifndef OBSERVABLES_HPP
#define OBSERVABLES_HPP

#include <cstddef>

struct Observable {
    const char *name;    // in tables and files
    const char *label;   // for plots, with TeX
    const char *scaling; // of "features.scaling": what the values are bounded by
    double lo, hi;       // of the histogram
};

// All of a process, and the edge that no scaling keeps; without one both are null.
struct Description {
    const Observable *observables;
    std::size_t dim;
    const char *edge;
    bool (*beyond_edge)(const double *x);
};

#endif
