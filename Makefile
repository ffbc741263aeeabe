# pfswrap: build, test, install. `make help` lists the targets.
# Everything is found by folder: a new .c file in a module needs no line here.

# The groups of `make help`, in this order.
##@ Build
##@ Install
##@ Test
##@ Lint
##@ Long tests
##@ Benchmarks

VERSION  := 0.1.0
##@ Install
## where to install
PREFIX   ?= /usr/local
## a folder to put in front of every installed path, for packages
DESTDIR  ?=
##@ Build
## the compiler; gcc and clang are tested
CC       ?= gcc
## sanitizers to build with, in a build folder of their own: address,undefined or thread
SANITIZE ?=
## another machine or C library to build for, in a build folder of its own: a file of mk/target/ without its .mk
TARGET   ?=
## -Werror makes every warning an error; set where CI is set
WERROR   ?= $(if $(CI),-Werror)

comma := ,
B := build$(if $(TARGET),-$(TARGET))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

# A target's file sets CC and AR, and the options that its compiler or C library needs.
ifneq ($(TARGET),)
include mk/target/$(TARGET).mk
endif

# Two builds of a commit are the same byte for byte, wherever and whenever they are made (`make check-reproducible`). The
# time that archives and pages carry is that of the last commit; in a source archive, that of its files.
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(or $(if $(wildcard .git),$(shell git log -1 --format=%ct 2>/dev/null)),$(shell stat -c %Y CHANGELOG.md))
endif
export SOURCE_DATE_EPOCH
# Paths in debug information start here. gcov, which writes its counters to absolute paths, needs them as they are.
PATH_MAP := $(if $(COVERAGE),,-ffile-prefix-map=$(CURDIR)=.)

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wundef -Wvla -Wformat=2 \
            -Werror=implicit-function-declaration $(WERROR)
# Hardening options that only some machines have; a target file may set another value.
MACHINE        := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
HARDEN_MACHINE ?= $(if $(filter aarch64,$(MACHINE)),-mbranch-protection=standard,-fcf-protection)
HARDEN   := -fstack-protector-strong -fstack-clash-protection $(HARDEN_MACHINE) \
            $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
# A sanitizer reports lines, not variables, and with -O2 its builds take twice as long. gcc's warnings that follow values
# through a function are wrong in code with its checks; the plain build has them.
## optimisation and debugging options
OPTIMISE ?= $(if $(SANITIZE),-O1 -g1,-O2 -g)
# The ld.so that this compiler's programs ask for.
INTERPRETER := $(shell $(CC) -\#\#\# -xc - </dev/null 2>&1 | sed -n 's/.*-dynamic-linker"* "*\([^" ]*\).*/\1/p')
CPPFLAGS += -D_GNU_SOURCE -DPFSWRAP_VERSION='"$(VERSION)"' -DPFSWRAP_INTERPRETER='"$(INTERPRETER)"' -Iinclude -Ishim
CFLAGS   += -std=gnu11 $(OPTIMISE) $(PATH_MAP) $(WARNINGS) $(HARDEN) -fPIC -fvisibility=hidden \
            $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
            $(if $(SANITIZE),-Wno-format-truncation -Wno-stringop-overread -Wno-maybe-uninitialized) \
            $(if $(filter thread,$(SANITIZE)),-Wno-tsan)
# --sort-section: large variables behind all others (shim/base/large.h).
LDFLAGS  += -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs,--build-id=sha1,--sort-section=name \
            $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# Static archives: their symbols stay hidden, so the shared object needs libc only.
SODIUM ?= -l:libsodium.a
INIH   ?= -l:libinih.a
# Where scripts/mlkem-source unpacks a libsodium that has ML-KEM (mk/mlkem.mk). A source archive has it already.
MLKEM_SOURCE := $(or $(wildcard third-party/libsodium),build/libsodium)

# core: the modules that interpose nothing and do no socket I/O; tools and unit tests link them.
CORE_SRC := $(addprefix shim/config/,agent_ask.c chain_key.c keys.c peers_serial.c) $(addprefix shim/base/,elf_file.c filter.c go.c memory.c probe.c random.c workspace.c) \
            shim/children/object.c \
            $(sort $(wildcard shim/children/executable*.c shim/policy/*.c shim/seal/*.c shim/wire/*.c))
SEAL_SRC := $(sort $(wildcard shim/seal/*.c))
# A file named *_glibc.c or *_musl.c is for programs of that C library only.
LIBC     ?= glibc
GLIBC_SRC := shim/base/old_glibc.c shim/socket/libc_streams.c $(wildcard shim/*/*_glibc.c)
MUSL_SRC  := $(wildcard shim/*/*_musl.c)
ifeq ($(LIBC),musl)
CORE_SRC += shim/base/libc_musl.c
endif
SHIM_SRC := $(filter-out $(if $(filter musl,$(LIBC)),$(GLIBC_SRC),$(MUSL_SRC)),$(sort $(wildcard shim/*.c shim/*/*.c)))
PEER_SRC := $(sort $(wildcard tools/seal/*.c))
TOOL_SRC := $(sort $(wildcard tools/*.c tools/agent/*.c tools/report/*.c tools/learn/*.c tools/rotate/*.c tools/scan/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c tests/unit/*/test_*.c))
PROG_SRC := $(filter-out tests/apps/programs/lib/%,$(wildcard tests/apps/programs/*/*.c))

obj = $(patsubst %.c,$(B)/%.o,$(1))
SHIM_OBJ  = $(call obj,$(START_SRC) $(filter-out $(START_SRC),$(SHIM_SRC)))
UNIT_BIN := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
PROG_BIN := $(patsubst %.c,$(B)/%,$(PROG_SRC))

.PHONY: all
## build the shared objects, the command and its man pages (the default)
all: $(B)/libpfswrap.so $(if $(filter glibc,$(LIBC)),$(B)/pfswrap-tool $(B)/pfswrap-seal)

# Module-specific rules (libpfswrap-seal, fuzzers, benchmarks, man pages, install, lint) live in mk/.
include $(wildcard mk/*.mk)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libpfswrap-core.a: $(call obj,$(CORE_SRC))
	@rm -f $@
	@$(AR) rcsD $@ $^

# The shared object exports the one list of interposed functions, and nothing else.
$(B)/exports.map: shim/base/interposed.h shim/exports.map.in
	@mkdir -p $(@D)
	@$(CC) -E -P -x c -Ishim shim/exports.map.in | tr -d '"' | tr -s '\n' > $@

# The headers of a fortified file define some of the calls it is to define itself (clang: and hides them).
$(call obj,$(wildcard shim/socket/*.c)): CFLAGS += -U_FORTIFY_SOURCE

# What glibc 2.17 lacks or has in libpthread: shim/base/old_glibc.c has these functions for the shared object.
NOT_IN_OLD_GLIBC := stat stat64 fstat fstat64 getrandom __explicit_bzero_chk pthread_sigmask pthread_atfork pthread_once \
                    pthread_testcancel pthread_create pthread_join pthread_attr_setstacksize \
                    __pthread_register_cancel __pthread_unregister_cancel __pthread_unwind_next

# -Bsymbolic: the object's own calls of what it exports need no lookup at the start of a program. -init, -fini: without
# the empty functions of crti.o; constructors are in an array.
OBJECT_LDFLAGS = -shared -Wl,-soname,libpfswrap.so,-Bsymbolic,--exclude-libs,ALL,-init=none,-fini=none \
    $(if $(filter glibc,$(LIBC)),$(NOT_IN_OLD_GLIBC:%=-Wl,--wrap=%)) -Wl,--version-script=$(B)/exports.map

$(B)/libpfswrap.so: $(SHIM_OBJ) $(B)/exports.map
	@$(CC) $(CFLAGS) $(LDFLAGS) $(OBJECT_LDFLAGS) -o $@ $(SHIM_OBJ) $(INIH) $(SODIUM)

# sodium_calls.o stands for two functions of libc that libsodium calls.
$(B)/pfswrap-tool: $(call obj,$(TOOL_SRC) shim/base/sodium_calls.c) $(B)/tools/components.o $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) $(if $(SANITIZE),-pie,-static-pie) $(LDFLAGS) -o $@ $^ $(INIH) $(SODIUM) -pthread

# What `pfswrap seal` executes. It resolves names and may load OpenSSL, so it is not static.
$(B)/pfswrap-seal: $(call obj,$(PEER_SRC) tools/message.c shim/base/sodium_calls.c) $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(INIH) $(SODIUM) -ldl -pthread

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libtest-unit.a $(B)/libpfswrap-parts.a $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(INIH) $(SODIUM) -lcheck -lsubunit -lrt -lm -pthread

.PHONY: clean
## remove every build folder
clean:
	@rm -rf build build-*

# A .SECONDARY without names would let make skip objects of files that are new.
.PRECIOUS: $(B)/%.o
-include $(shell find $(B)/shim $(B)/tools $(B)/tests $(B)/model -name "*.d" -type f 2>/dev/null)
