# Installs the headers of C, C++ and Fortran, library, program, CMake package, pkg-config file, Julia package, licence and documentation:
#   cmake -DLIBRARY=target/release/liblaser.so [-DPROGRAM=target/release/laser] -DPREFIX=/usr/local [-DLIBDIR=lib] -P cmake/install.cmake
# DESTDIR in the environment is put before every path, as packagers expect.
cmake_minimum_required(VERSION 3.16)
include(CMakePackageConfigHelpers)

get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
get_filename_component(PREFIX "${PREFIX}" ABSOLUTE)
if(NOT LIBDIR)
  set(LIBDIR lib)
endif()
if(IS_ABSOLUTE "${LIBDIR}")
  message(FATAL_ERROR "LIBDIR=${LIBDIR} must be relative to the prefix: the installation may be moved")
endif()
if(NOT EXISTS "${LIBRARY}")
  message(FATAL_ERROR "LIBRARY=${LIBRARY} does not exist: build it first")
endif()

file(STRINGS "${root}/Cargo.toml" version REGEX "^version = ")
string(REGEX REPLACE "version = \"(.*)\"" "\\1" version "${version}")
file(STRINGS "${root}/build.rs" soname REGEX "soname,liblaser")
string(REGEX REPLACE ".*soname,(liblaser.so.[0-9]+).*" "\\1" soname "${soname}")

set(libdir "${PREFIX}/${LIBDIR}")
file(RELATIVE_PATH libdir_to_prefix "${libdir}" "${PREFIX}")
string(REGEX REPLACE "/$" "" libdir_to_prefix "${libdir_to_prefix}")

# The library, and its links: for the loader, and for the linker.
get_filename_component(built "${LIBRARY}" REALPATH)
file(INSTALL "${built}" DESTINATION "${libdir}" TYPE PROGRAM RENAME "liblaser.so.${version}")
foreach(link "${soname}" liblaser.so)
  file(CREATE_LINK "liblaser.so.${version}" "$ENV{DESTDIR}${libdir}/${link}" SYMBOLIC)
endforeach()

if(PROGRAM)
  if(NOT EXISTS "${PROGRAM}")
    message(FATAL_ERROR "PROGRAM=${PROGRAM} does not exist: build it first")
  endif()
  file(INSTALL "${PROGRAM}" DESTINATION "${PREFIX}/bin" TYPE PROGRAM)
endif()

file(GLOB headers "${root}/include/laser.*")
file(INSTALL ${headers} DESTINATION "${PREFIX}/include")

set(package "$ENV{DESTDIR}${libdir}/cmake/laser")
configure_file("${root}/cmake/laserConfig.cmake.in" "${package}/laserConfig.cmake" @ONLY)
# Up to 1.0 a new minor version may change the API.
write_basic_package_version_file("${package}/laserConfigVersion.cmake"
  VERSION "${version}" COMPATIBILITY SameMinorVersion)
configure_file("${root}/cmake/laser.pc.in" "$ENV{DESTDIR}${libdir}/pkgconfig/laser.pc" @ONLY)

# Julia: Pkg.develop(path = "PREFIX/share/liblaser/julia/LaserRefine")
file(INSTALL "${root}/julia" DESTINATION "${PREFIX}/share/liblaser")

# Python: PYTHONPATH=PREFIX/share/liblaser/python, and LASER_LIBRARY where the loader does not find the library.
file(INSTALL "${root}/python/src/liblaser" DESTINATION "${PREFIX}/share/liblaser/python" PATTERN __pycache__ EXCLUDE)

file(INSTALL "${root}/LICENSE-APACHE" "${root}/LICENSE-MIT" DESTINATION "${PREFIX}/share/licenses/liblaser")
set(doc "${PREFIX}/share/doc/liblaser")
foreach(name README.md CHANGELOG.md CITATION.cff CONTRIBUTING.md SECURITY.md)
  file(INSTALL "${root}/${name}" DESTINATION "${doc}")
endforeach()
# What README.md links to, where it expects it.
file(INSTALL "${root}/docs" "${root}/packaging" DESTINATION "${doc}" PATTERN __pycache__ EXCLUDE)
foreach(language c cpp fortran julia)
  file(INSTALL "${root}/examples-${language}" DESTINATION "${doc}"
    FILES_MATCHING REGEX "\\.(c|cpp|h|hpp|f90|jl|toml)$" PATTERN CMakeLists.txt)
endforeach()
file(MAKE_DIRECTORY "$ENV{DESTDIR}${doc}/include")
foreach(header ${headers})
  get_filename_component(name "${header}" NAME)
  file(CREATE_LINK "../../../../include/${name}" "$ENV{DESTDIR}${doc}/include/${name}" SYMBOLIC)
endforeach()
