# 32-bit x86 programs with glibc, on a 64-bit system: build/i386/libpfswrap.so. Debian's cross compiler and its libc come
# with `scripts/install-deps i386`; the other libraries are unpacked into build-i386/sysroot.

CC := i686-linux-gnu-gcc
AR := i686-linux-gnu-ar

SYSROOT  := build-i386/sysroot
# libssl-dev and openssl: what the tests build and run.
SYSROOT_PACKAGES := libsodium-dev libinih-dev libssl-dev openssl check libsubunit-dev libaio-dev liburing-dev
CPPFLAGS += -isystem $(SYSROOT)/usr/include -isystem $(SYSROOT)/usr/include/i386-linux-gnu
LDFLAGS  += -L$(SYSROOT)/usr/lib/i386-linux-gnu
SODIUM   := $(SYSROOT)/usr/lib/i386-linux-gnu/libsodium.a
INIH     := $(SYSROOT)/usr/lib/i386-linux-gnu/libinih.a

# 64-bit offsets and inodes, but not in the wrappers, whose names glibc's headers would change with them.
CPPFLAGS += -D_FILE_OFFSET_BITS=64
$(B)/shim/socket/%.o $(B)/shim/tls/%.o: CFLAGS += -U_FILE_OFFSET_BITS
# SSL_sendfile() has an off_t, and Debian's libssl for i386 was built with 32 bits.
$(B)/tests/apps/programs/layer/%.o: CFLAGS += -U_FILE_OFFSET_BITS

# libsodium and glibc's i386 need no SSE2, but no processor that runs a 64-bit kernel lacks it.
CFLAGS   += -msse2
# gcc tells about a layout that changed in gcc 11. Only processes with the same object share memory.
CFLAGS   += -Wno-psabi

# make builds what it includes. libc.so there is a linker script that names libraries by absolute paths.
include $(SYSROOT)/complete.mk
$(SYSROOT)/complete.mk:
	@scripts/debian-sysroot i386 $(@D) $(SYSROOT_PACKAGES)
	@sed -i 's| /| $(CURDIR)/$(@D)/|g' $(@D)/usr/lib/i386-linux-gnu/libc.so
	@touch $@
