# The object for programs of musl: `make TARGET=x86_64-musl` with Debian's musl-tools.

LIBC := musl
# An option of make, or the environment, may name another one.
ifneq ($(filter default undefined,$(origin CC)),)
CC := musl-gcc
endif

# musl-gcc looks into musl's own folder for headers only. The kernel's headers, and those of the libraries, are the same
# for each C library; a folder of links has them, and none of glibc's.
MUSL_HEADERS := $(B)/headers
MULTIARCH    := $(shell gcc -print-multiarch)
MUSL_KERNEL  := $(B)/kernel-headers
$(shell mkdir -p $(MUSL_KERNEL) $(MUSL_HEADERS)/openssl && \
    ln -sfn -t $(MUSL_KERNEL) /usr/include/linux /usr/include/asm-generic /usr/include/$(MULTIARCH)/asm && \
    ln -sfn -t $(MUSL_HEADERS) /usr/include/sodium /usr/include/sodium.h /usr/include/ini.h && \
    ln -sfn -t $(MUSL_HEADERS)/openssl /usr/include/openssl/*.h /usr/include/$(MULTIARCH)/openssl/*.h)
CPPFLAGS += -isystem $(MUSL_KERNEL) -isystem $(MUSL_HEADERS)

# Debian's archives are compiled for glibc. They work with musl on this machine, since both C libraries follow the same
# ABI: libsodium calls functions of POSIX with types that the kernel defines (struct stat, struct pollfd), a mutex of
# zeros and errno; inih calls stdio by pointers, and __ctype_b_loc(), which musl has. shim/base/libc_musl.c has what
# musl lacks. The link fails if something else is missing (-z defs).
SODIUM := $(shell gcc -print-file-name=libsodium.a)
INIH   := $(shell gcc -print-file-name=libinih.a)

# Macros of musl's <sys/socket.h> (CMSG_NXTHDR) mix int and size_t.
CFLAGS += -Wno-sign-conversion

# --- the test programs ---

# What they use of glibc is in a header; the headers of its own are empty.
$(shell : | tee $(MUSL_HEADERS)/error.h > $(MUSL_HEADERS)/execinfo.h; \
    ln -sfn -t $(MUSL_HEADERS) /usr/include/libaio.h /usr/include/liburing /usr/include/liburing.h)
$(B)/tests/apps/%.o: CPPFLAGS += -include tests/musl/programs.h

# Debian has libaio and liburing for glibc only. Their archives call syscall(2) or the kernel, so they work with musl.
# As on musl's own systems, the programs load them as shared libraries.
MUSL_LIB := $(B)/lib
$(MUSL_LIB)/%.so: tests/musl/%.map
	@mkdir -p $(@D)
	@$(CC) -shared -Wl,-soname,$*.so -Wl,-z,defs -Wl,--version-script=$< -o $@ \
	    -Wl,--whole-archive $$(gcc -print-file-name=$*.a) -Wl,--no-whole-archive
$(B)/tests/apps/programs/seal/sock_process: | $(MUSL_LIB)/libaio.so $(MUSL_LIB)/liburing.so

# OpenSSL, if scripts/musl-openssl has built it.
MUSL_OPENSSL := $(B)/openssl/install
$(B)/tests/apps/programs/%: LDFLAGS += -L$(MUSL_LIB) -Wl,-rpath,$(abspath $(MUSL_LIB)) \
    -L$(MUSL_OPENSSL)/lib -Wl,-rpath,$(abspath $(MUSL_OPENSSL)/lib)

# musl-gcc knows no -static-pie. Archives are read once: what libsodium.a needs must be taken before it.
$(addprefix $(B)/tests/apps/programs/seal/,static_true sock_inetd_static): LDFLAGS += -static
$(addprefix $(B)/tests/apps/programs/,$(addprefix seal/seal_,peer ending example keys vectors) layer/layer_ending): \
    LDFLAGS += -Wl,-u,__explicit_bzero_chk

# Without those that need what musl does not have: SunRPC and rcmd(3), makecontext(3), a static OpenSSL, a static libsodium.
MUSL_PROG_SRC = $(filter-out tests/apps/programs/wire/libc_streams.c \
                              $(addprefix tests/apps/programs/seal/,sock_stacks.c sock_journal.c) \
                              tests/apps/programs/layer/layer_journal.c \
                              tests/apps/programs/tls/contains_libssl.c,$(PROG_SRC))
MUSL_TLS_SRC  = $(shell grep -lE 'link: .*-l(ssl|crypto)' $(MUSL_PROG_SRC))

