# `make check-aarch64`: builds for 64-bit ARM (mk/target/aarch64.mk) and runs that build's tests under qemu-user. Debian 12's
# qemu 7.2 does not wipe memory after a fork (MADV_WIPEONFORK), so the emulator is unpacked from Debian 13.

##@ Long tests
.PHONY: check-aarch64
## build for 64-bit ARM by cross compiler, and run that build's tests under qemu-user (TESTS="base seal" chooses)
check-aarch64: build-aarch64/qemu-aarch64
	@scripts/install-deps build aarch64
	@$(MAKE) --no-print-directory $(PARALLEL) TARGET=aarch64 tests
	@$(MAKE) --no-print-directory $(PARALLEL) all build/tests/apps/programs/seal/sock_blocking
	@tests/emulated/check build-aarch64 $(TESTS)

build-aarch64/qemu-aarch64:
	@mkdir -p $(@D)
	@scripts/debian-sysroot --suite trixie $$(dpkg --print-architecture) $@.packages qemu-user
	@mv $@.packages/usr/bin/qemu-aarch64 $@
	@rm -r $@.packages
