# `make check-sanitized`: the application tests with a shared object that a sanitizer checks, in builds of their own.
# docs/DEBUGGING.md says how such an object can be preloaded, and tests/sanitized/sanitized.py which tests are left out.

##@ Long tests
## sanitizers for check-sanitized: undefined, address, thread
SANITIZER ?= undefined address thread

.PHONY: check-sanitized
## run the application tests with the shared object under sanitizers
check-sanitized:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@for sanitizer in $(SANITIZER); do \
	    $(MAKE) --no-print-directory $(PARALLEL) B=build-shim-$$sanitizer SHIM_SANITIZER=$$sanitizer sanitized && \
	    python3 -B tests/sanitized/sanitized.py --build build-shim-$$sanitizer $$sanitizer $(TESTS) || exit 1; \
	done

ifdef SHIM_SANITIZER
SHIM_SRC += tests/sanitized/probe.c
$(B)/tests/sanitized/%.o: CPPFLAGS += -DPFSWRAP_REPORTS='"$(CURDIR)/$(B)/reports"'

# The programs are those of the ordinary build.
.PHONY: sanitized
sanitized: $(B)/libpfswrap.so

ifeq ($(SHIM_SANITIZER),undefined)
CHECK    := -fsanitize=undefined -fno-sanitize-recover=all
SHIM_SRC += tests/sanitized/undefined.c
TOOL_SRC += tests/sanitized/undefined.c
sanitized: $(B)/pfswrap-tool
$(B)/tools/%.o: CFLAGS += $(CHECK)
else
SHIM_SRC += tests/sanitized/options.c
# What runs before the runtime is ready: the runtime calls dlsym(3), which is the shim's.
UNCHECKED := $(call obj,shim/base/elf.c shim/base/libc.c shim/gnutls/library.c $(wildcard shim/loader/*.c) shim/tls/libssl.c)
$(B)/libpfswrap.so: LDFLAGS += -fsanitize=$(SHIM_SANITIZER)

# Some functions that a program calls are in a file of the sanitizer's, which calls the shim's. The shim's objects that
# define one of them name it entered_NAME.
ENTRIES  := $(if $(filter address,$(SHIM_SANITIZER)),tests/sanitized/address.c,tests/sanitized/thread.c)
SHIM_OBJ  = $(patsubst %.c,$(B)/entered/%.o,$(SHIM_SRC)) $(call obj,$(ENTRIES))
$(B)/entries.txt: shim/base/interposed.h
	@mkdir -p $(@D)
	@printf '%s\n' '#include "base/interposed.h"' '#define X(name) :name' '$(ENTRY_LIST)' | $(CC) -E -P -Ishim -xc - | \
	    tr ' ' '\n' | sed -n 's/^:\(.*\)/\1 entered_\1/p' > $@
$(B)/entered/%.o: $(B)/%.o $(B)/entries.txt
	@mkdir -p $(@D)
	@$(NM) -g --defined-only $< | awk 'NR == FNR { entry[$$1] = $$0; next } $$3 in entry { print entry[$$3] }' \
	    $(B)/entries.txt - > $@.names
	@$(OBJCOPY) --redefine-syms=$@.names $< $@
endif

ifeq ($(SHIM_SANITIZER),address)
# The runtime is loaded behind libc, whose functions the shim calls. So these three are named.
CHECK    := -fsanitize=address -fno-omit-frame-pointer -U_FORTIFY_SOURCE \
            $(foreach name,memcpy memmove memset,-D$(name)=__asan_$(name))
ENTRY_LIST := PFSWRAP_LIBC_CALLS(X) PFSWRAP_LOADER_CALLS(X) PFSWRAP_LIBSSL_CALLS(X) PFSWRAP_GNUTLS_CALLS(X)
endif

ifeq ($(SHIM_SANITIZER),thread)
# The programs are linked with the runtime: it has to see their threads, too. It does not know fences; locks
# protect the data beside them.
CHECK    := -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
ENTRY_LIST := X(dlsym) X(dlvsym)
$(UNCHECKED): CFLAGS += -Dstrcmp=plain_strcmp
$(B)/libpfswrap.so: LDFLAGS += -Wl,--wrap=dl_iterate_phdr
$(B)/tests/apps/%: LDFLAGS += $(CHECK)
$(B)/tests/apps/%.o: CFLAGS += $(CHECK)
# Static programs are those of the ordinary build: no object can be preloaded into them.
STATIC_BIN := $(patsubst %.c,$(B)/%,$(shell grep -l 'link:.*-static' $(PROG_SRC)))
$(STATIC_BIN): $(B)/%: build/%
	@mkdir -p $(@D)
	@cp $< $@
sanitized: $(PROG_BIN) $(PLUGIN_SO)
endif

$(filter-out $(UNCHECKED),$(call obj,$(wildcard shim/*.c shim/*/*.c) tests/sanitized/probe.c)): CFLAGS += $(CHECK)
endif
