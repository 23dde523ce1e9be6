# Everything here in one word each; `make help` lists them. Results lie in build/, cargo's own in target/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PREFIX ?= /usr/local
LIBDIR ?= lib
target := $(or $(CARGO_TARGET_DIR),target)
library := $(target)/release/liblaser.so
ifeq ($(STANDALONE),1)
library := build/standalone/liblaser.so
endif

export CUDA
# An existing LIBTORCH is honoured; otherwise the one that setup installs.
ifndef LIBTORCH
export LIBTORCH := $(shell CUDA=$(CUDA) scripts/setup --libtorch)
endif

.PHONY: help setup base build demo paper physics pythia pythia-demo docs export-test test arm-test bench bench-train bench-foreign bench-reweight bench-negative bench-unfold bench-ranks fuzz sanitize attack lint header install standalone wheel dist bench-python clean

help: ## this list
	@echo 'liblaser: latent space refinement of generative models'
	@echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 20
	@echo
	@echo '  STANDALONE=1        with install: the library without libtorch'
	@echo '  TORCH=1             with demo: train on libtorch instead of the own engine'
	@echo '  CUDA=1              with everything a GPU needs (libtorch then takes 4.7 GB instead of 1.3)'
	@echo '  LIBTORCH=folder     use this libtorch 2.11.0 instead of the one that setup installs'
	@echo '  CARGO_TARGET_DIR    where cargo builds, default target/'

setup: ## install what is missing: system packages, libtorch, Python packages (once)
	@scripts/setup

base:
	@scripts/setup --base

build: setup ## build liblaser.so and the program laser; the first time compiles libtorch's bindings, 3 to 5 minutes
	@echo 'build: cargo build --release'
	@cargo build --release
	@echo 'build: $(library)'

demo: $(if $(filter 1,$(TORCH)),build,base standalone) ## simulator, training, refined events, scores and figure, in about 2 minutes; TORCH=1 trains on libtorch
	@LIBRARY='$(if $(filter 1,$(TORCH)),$(library),build/standalone/liblaser.so)' scripts/demo

paper: base standalone ## the paper's Table 3 on its targets and a harder one, with every method, two targets at a time, in an hour and a half; TARGET=donut: one alone; KEEP=1: those that are not there yet
	@LIBRARY=build/standalone/liblaser.so scripts/paper

physics: base ## the protocol on events of known laws: seeds, sabotages, weights of many events, cuts, with the preset fast, in about two hours; TARGETS="rings,shells": these alone
	@bench/physics

test: build ## all tests; the last line counts them
	@scripts/test

arm-test: ## the tests of bits, engine and C API on AArch64, cross-built and under qemu; skipped, and says so, where that cannot be had
	@scripts/arm-test || [ $$? -eq 77 ]

bench: build standalone ## rates beside PyTorch, torch.compile, ONNX Runtime and zuko, in 6 minutes; the first time installs them (5 GB)
	@LIBRARY='$(library)' bench/run

bench-train: build standalone ## training steps beside the paper's code, lean PyTorch, torch.compile and our own libtorch backend, in 6 minutes
	@LIBRARY='$(library)' bench/run training

bench-foreign: standalone ## flows of zuko and nflows, there and as native files, in 2 minutes; the first time installs them (5 GB)
	@bench/run foreign

bench-reweight: standalone ## reweighters beside hep_ml's and scikit-learn's on samples whose ratio is known, in 10 minutes
	@bench/run reweight

bench-negative: base ## negative weights beside cres on the same events, in half an hour; the first time installs it
	@bench/run negative

bench-unfold: standalone ## unfolding beside the package omnifold on samples whose truth is known, in 20 minutes
	@bench/run unfold

bench-ranks: standalone ## how far a training scales over ranks: one and two measured, 8 to 512 modelled, in 3 minutes
	@bench/ranks

bench-python: wheel ## what Python costs: rates beside a loop in C, samplers in threads, the time to the first events, in 3 minutes
	@"$$(scripts/setup --python)" bench/python

fuzz: ## run every fuzz target for SECONDS (60), from the corpus in fuzz/corpus; findings are in build/fuzz
	@fuzz/run $(or $(SECONDS),60)

sanitize: base ## AddressSanitizer, ThreadSanitizer and valgrind over tests and C programs; what it cannot run it says
	@scripts/sanitize

attack: standalone ## the attacks that the library withstands, TIMES (50) as long as the tests make them, with figures
	@scripts/attack $(or $(TIMES),50)

lint: build ## rustfmt, clippy with warnings as errors, header in sync
	@scripts/test --lint

header: setup ## write include/laser.h anew from src/capi
	@touch cbindgen.toml # makes build.rs run
	@cargo build --release
	@echo 'header: include/laser.h'

pythia: ## build Pythia 8 into the user's cache, in some eight minutes, once
	@scripts/pythia

pythia-demo: base standalone ## Pythia 8 refined: a surrogate of it, another tune of itself, hard events into its shower; scores, rates and figures
	@LIBRARY=build/standalone/liblaser.so scripts/pythia_demo

docs: ## the pages and the reference of the headers as HTML, in build/docs
	@command -v doxygen >/dev/null || scripts/setup --base
	@doxygen docs/Doxyfile
	@echo 'docs: build/docs/index.html'

export-test: build ## export models of PyTorch, zuko, nflows and FrEIA and compare; the first time installs them (5 GB)
	@tests/export/run '$(library)'

install: $(if $(filter 1,$(STANDALONE)),standalone,build) ## install to PREFIX (default /usr/local), LIBDIR (lib), DESTDIR: library, program, bindings, CMake package, pkg-config file
	@cmake -DLIBRARY='$(library)' -DPROGRAM='$(dir $(library))laser' -DPREFIX='$(PREFIX)' -DLIBDIR='$(LIBDIR)' -P cmake/install.cmake
	@echo "install: liblaser is in $${DESTDIR-}$(PREFIX); CMake projects: find_package(laser), link laser::laser"

standalone: ## build build/standalone/: library and program, all but CUDA and TorchScript, without libtorch; the library needs libc only
	@command -v cc >/dev/null || scripts/setup --base
	@echo 'standalone: cargo build --profile standalone --no-default-features --features cli'
	@env -u LIBTORCH cargo build --profile standalone --no-default-features --features cli
	@mkdir -p build/standalone && cp $(target)/standalone/{liblaser.so,laser} build/standalone/
	@stat --format 'standalone: %n, %s bytes' build/standalone/liblaser.so
	@readelf -d build/standalone/liblaser.so | sed -nE 's/.*NEEDED.*\[(.*)\]/standalone: needs \1/p'

wheel: base standalone ## build dist/liblaser-….whl, the Python package with the standalone library and the program laser inside
	@rm -rf dist/liblaser-*.whl && cd python && "$$(../scripts/setup --python)" -m hatchling build --target wheel --directory ../dist

dist: base ## dist/: archive, Debian packages, wheel, bill of materials and checksums, for every Linux since 2014; the first time some ten minutes
	@scripts/dist

clean: ## remove build/, dist/ and what cargo built; installed packages and libtorch stay
	rm -rf build dist
	cargo clean
