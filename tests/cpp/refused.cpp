// What must not compile: each number of REFUSED is a test, which the compiler passes by its message.
#include <laser.hpp>

std::vector<double> events() { return std::vector<double>(20, 1.0); }

int main()
{
    const std::vector<double> x = events();
#if REFUSED == 1
    laser::Source source(2, [](laser::Rows<double>) { return true; });
#elif REFUSED == 2
    laser::Source source(2, [](laser::Rows<double> rows) { return 0.5 * static_cast<double>(rows.rows()); });
#elif REFUSED == 3
    laser::Source source({x, 2}, events());
#elif REFUSED == 4
    laser::Source source(laser::Rows<const double>(events(), 2));
#else
    laser::Source source(2, [](laser::Rows<double> rows) { return rows.rows(); });
#endif
}
