# A fragment of the CMakeLists.txt of a program `mygenerator`.
cmake_minimum_required(VERSION 3.16)
project(mygenerator C CXX Fortran)

file(WRITE ${CMAKE_BINARY_DIR}/mygenerator.cpp "#include <laser.hpp>\nint main() { return laser::version().empty(); }\n")
add_executable(mygenerator ${CMAKE_BINARY_DIR}/mygenerator.cpp)
# block
