# `make check-compilers`: other compilers than this system's, each from the Debian release that has it. docs/COMPATIBILITY.md has
# the results.

##@ Long tests
## what check-compilers tries: Debian suites and their compilers
COMPILERS ?= bullseye:gcc-9,gcc-10,clang-13 bookworm:gcc-11,gcc-12,clang-14,clang-16 trixie:gcc-13,gcc-14,clang-19 \
             sid:gcc-15,clang-21

.PHONY: check-compilers
## build with each compiler, every warning an error, and run the unit tests of each build (root only)
check-compilers:
	@scripts/install-deps build
	@scripts/mlkem-source $(MLKEM_SOURCE) || echo "check-compilers: without post-quantum handshakes" >&2
	@scripts/compilers $(B)/compilers $(COMPILERS)
