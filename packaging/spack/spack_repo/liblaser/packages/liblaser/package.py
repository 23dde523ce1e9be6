# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Spack recipe of liblaser, for Spack 1.0 and later; packaging/spack/README.md tells how to use it."""

import os

from spack_repo.builtin.build_systems.generic import Package

from spack.package import *


class Liblaser(Package):
    """Precise, unweighted events out of fast but imprecise generative models (latent space refinement), through a C ABI,
    with bindings for C++17, Fortran and Julia."""

    homepage = "https://arxiv.org/abs/2106.00792"

    license("Apache-2.0 OR MIT")

    # Has no archive of its own yet: `spack develop` a checkout.
    version("0.1.0")

    variant("torch", default=False, description="With libtorch: CUDA, TorchScript generators, training on libtorch")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+torch")
    depends_on("rust@1.95:", type="build")
    depends_on("cmake@3.16:", type="build")
    # The one that the tch version in Cargo.toml fits.
    depends_on("py-torch@2.11.0", type=("build", "link", "run"), when="+torch")

    def setup_build_environment(self, env):
        # Crates go to the build folder, not to the user's home.
        env.set("CARGO_HOME", os.path.join(self.stage.path, "cargo"))
        if self.spec.satisfies("+torch"):
            # …/torch/share/cmake, as py-torch gives it to other packages.
            cmake_prefix = self.spec["py-torch"].package.cmake_prefix_paths[0]
            env.set("LIBTORCH", os.path.dirname(os.path.dirname(cmake_prefix)))

    def install(self, spec, prefix):
        cargo = which("cargo", required=True)
        if spec.satisfies("+torch"):
            profile, features = "release", []
        else:
            profile, features = "standalone", ["--no-default-features", "--features", "cli"]
        target = os.path.join(self.stage.source_path, "target")
        cargo("build", "--locked", "--profile", profile, "--target-dir", target, *features)
        built = os.path.join(target, profile)
        cmake(f"-DLIBRARY={built}/liblaser.so", f"-DPROGRAM={built}/laser", f"-DPREFIX={prefix}", "-P", "cmake/install.cmake")
