# `make TARGET=aarch64`: 64-bit ARM, by Debian's cross compiler and packages of arm64 that are unpacked into
# $(B)/sysroot and not installed. On such a machine itself, `make` without TARGET builds the same.

SYSROOT          := $(B)/sysroot
SYSROOT_PACKAGES := libc6-dev libsodium-dev libinih-dev libssl-dev libaio-dev liburing-dev \
                    check libsubunit-dev openssl

CC := aarch64-linux-gnu-gcc --sysroot=$(CURDIR)/$(SYSROOT)
AR := aarch64-linux-gnu-ar

# make begins again after it has made a file that it includes.
include $(B)/sysroot.mk
$(B)/sysroot.mk: scripts/debian-sysroot mk/target/aarch64.mk
	@echo "sysroot: unpacks Debian's packages for arm64 into $(SYSROOT)"
	@scripts/install-deps aarch64
	@scripts/debian-sysroot arm64 $(SYSROOT) $(SYSROOT_PACKAGES)
	@echo '# $(SYSROOT) is complete.' > $@
