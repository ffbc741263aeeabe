# `make check-sanitized`: the application tests with a shared object that a sanitizer checks, in builds of their own.
# docs/DEBUGGING.md says how such an object can be preloaded, and tests/sanitized/sanitized.py which tests are left out.

##@ Long tests
## sanitizers for check-sanitized
SANITIZERS ?= undefined address

.PHONY: check-sanitized
## run the application tests with the shared object under sanitizers
check-sanitized:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@for sanitizer in $(SANITIZERS); do \
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
# The runtime is loaded behind libc, whose functions the shim calls. So these three are named.
CHECK    := -fsanitize=address -fno-omit-frame-pointer -U_FORTIFY_SOURCE \
            $(foreach name,memcpy memmove memset,-D$(name)=__asan_$(name))
SHIM_SRC += tests/sanitized/options.c
$(B)/libpfswrap.so: LDFLAGS += -fsanitize=address
# What runs before the runtime has its shadow memory: the runtime calls dlsym(3), which is the shim's.
UNCHECKED := $(call obj,shim/base/elf.c shim/base/libc.c shim/gnutls/library.c $(wildcard shim/loader/*.c) shim/tls/libssl.c)
endif

$(filter-out $(UNCHECKED),$(call obj,$(wildcard shim/*.c shim/*/*.c) tests/sanitized/probe.c)): CFLAGS += $(CHECK)
endif
