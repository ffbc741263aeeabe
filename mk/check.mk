# Tests and lints. `make check` ends with a line of totals; scripts/install-deps installs missing packages.

# A test program says in a comment of its first 10 lines what it links: `link: -lssl -lcrypto -ldl`.
program_libraries = $(shell sed -n '1,10s/.*link: *\(-[-A-Za-z0-9,:._= ]*\).*/\1/p' $(1))

# What the programs share. A program gets only the objects whose functions it calls.
$(B)/libtest-programs.a: $(call obj,$(wildcard tests/apps/programs/lib/*.c))
	@rm -f $@
	@$(AR) rcsD $@ $^

$(B)/tests/apps/programs/%: $(B)/tests/apps/programs/%.o $(B)/libtest-programs.a
	@$(CC) $(CFLAGS) $(if $(findstring -static,$(call program_libraries,tests/apps/programs/$*.c)),,-pie) $(LDFLAGS) \
	    -o $@ $^ $(call program_libraries,tests/apps/programs/$*.c)

# Objects of the shim that unit tests link one by one, standing in for what those call. None defines a function that
# is interposed: a test would interpose its own.
PARTS_SRC := $(wildcard shim/audit/*.c shim/base/*.c shim/counters/*.c shim/fd/*.c shim/rules/*.c shim/connection/*.c shim/readiness/*.c) \
             $(wildcard shim/transfer/*.c shim/inspect/*.c shim/reload/*.c shim/sealed/*.c) shim/order.c \
             shim/socket/unconnected.c \
             $(addprefix shim/config/,agent.c agent_cache.c cryptoperiod.c init.c override.c publish.c snapshot.c trace_output.c trust.c) $(addprefix shim/gnutls/,algorithm.c library.c restrict.c) \
             $(addprefix shim/tls/,ciphers.c fork_guard.c groups.c http_header.c http_response.c layer_rule.c libssl.c negotiated.c object_map.c) \
             $(addprefix shim/tls/,policy_pin.c settings.c signature.c) shim/loader/lookup.c
# Without those for another C library.
PARTS_SRC := $(filter $(SHIM_SRC),$(PARTS_SRC))
$(B)/libpfswrap-parts.a: $(call obj,$(PARTS_SRC)) mk/check.mk
	@rm -f $@
	@$(AR) rcsD $@ $(filter %.o,$^)

# What the unit tests share.
$(B)/libtest-unit.a: $(call obj,$(filter-out $(UNIT_SRC) tests/unit/model/%,$(wildcard tests/unit/*.c tests/unit/*/*.c)))
	@rm -f $@
	@$(AR) rcsD $@ $^

# The commands, for their unit tests: everything but main().
$(B)/libpfswrap-tools.a: $(call obj,$(filter-out tools/main.c,$(TOOL_SRC))) $(B)/tools/components.o
	@rm -f $@
	@$(AR) rcsD $@ $^

$(B)/tests/unit/tools/%: $(B)/tests/unit/tools/%.o $(B)/libtest-unit.a $(B)/libpfswrap-tools.a $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(INIH) $(SODIUM) -lcheck -lsubunit -lrt -lm -pthread

# The model of test_numbers: the shim's own sources around the table of descriptors, with a kernel and a scheduler of
# the test's (tests/unit/model/).
MODEL_SRC := $(addprefix shim/base/,filter.c memory.c socket_kind.c) $(addprefix shim/fd/,close.c hidden.c notes.c plane.c replace.c table.c) \
             $(addprefix shim/connection/,endpoint.c endpoint_numbers.c endpoint_open.c release.c release_close.c release_end.c) \
             $(addprefix shim/sealed/,connect.c control.c destination.c dial.c duplicate.c) \
             $(addprefix shim/socket/,close.c connect.c dup.c fcntl.c unconnected.c)
MODEL_OBJ := $(patsubst %.c,$(B)/model/%.o,$(MODEL_SRC) tests/unit/connection/test_numbers.c \
               $(addprefix tests/unit/model/,program.c scenarios.c stubs_base.c stubs_connection.c)) \
             $(addprefix $(B)/model/tests/unit/model/,model.o kernel.o) $(B)/libtest-unit.a
MODEL_FLAGS = -Itests/unit/model -Itests/unit -U_FORTIFY_SOURCE

$(addprefix $(B)/model/tests/unit/model/,model.o kernel.o): $(B)/model/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(MODEL_FLAGS) $(CPPFLAGS) $(CFLAGS) -U_FORTIFY_SOURCE -MMD -MP -c -o $@ $<
$(B)/model/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(MODEL_FLAGS) $(CPPFLAGS) -include tests/unit/model/prefix.h $(CFLAGS) -U_FORTIFY_SOURCE -MMD -MP -c -o $@ $<

$(B)/tests/unit/connection/test_numbers: $(MODEL_OBJ)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcheck -lsubunit -lrt -lm -pthread

# Shared objects that test programs load, or that are preloaded beside libpfswrap.so.
PLUGIN_SO := $(patsubst %.c,$(B)/%.so,$(wildcard tests/apps/plugins/*.c))
$(B)/tests/apps/plugins/%.so: $(B)/tests/apps/plugins/%.o $(B)/libtest-programs.a
	@$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN' -o $@ $^ \
	    $(call program_libraries,tests/apps/plugins/$*.c)

# The unit tests whose code runs threads; the others gain nothing from ThreadSanitizer. test_residue measures the stack of
# one thread, which ThreadSanitizer changes.
THREAD_UNIT_SRC := $(filter-out %/test_residue.c,$(shell grep -ls pthread_create $(UNIT_SRC) /dev/null))
SANITIZED_UNIT_BIN := $(patsubst %.c,build-address-undefined/%,$(UNIT_SRC)) \
                      $(patsubst %.c,build-thread/%,$(THREAD_UNIT_SRC))

.PHONY: tests unit-tests check check-valgrind lint demo
##@ Test
## build the unit tests
unit-tests: $(UNIT_BIN)
## build everything that the tests and benchmarks run
tests: all $(UNIT_BIN) $(PROG_BIN) $(PLUGIN_SO)

# A make without -j still builds on all processors here; one with -j shares its job server.
JOBS     := $(shell nproc)
PARALLEL  = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

# The unit tests with sanitizers, which `make check` builds beside the tests that mostly wait. tests/run starts that make, so
# it shares no job server. A recipe that names MAKE itself would run the tests under `make -n`, too.
BUILD_SANITIZED = $(MAKE) --no-print-directory -j$(JOBS) sanitized-unit-tests
.PHONY: sanitized-unit-tests
## build the unit tests with AddressSanitizer and UndefinedBehaviorSanitizer, and with ThreadSanitizer
sanitized-unit-tests:
	@$(MAKE) --no-print-directory $(PARALLEL) unit-tests SANITIZE=address,undefined
	$(if $(THREAD_UNIT_SRC),@$(MAKE) --no-print-directory $(PARALLEL) SANITIZE=thread \
	    $(patsubst %.c,build-thread/%,$(THREAD_UNIT_SRC)))

# Test files are run by tests/run; `make check TESTS="nginx curl"` runs those whose path has one of the words.
## run only the tests whose path contains one of these words: TESTS="nginx curl"
TESTS ?=
## install missing packages, build everything, run every test
check:
	@scripts/install-deps build check
	@scripts/mlkem-source $(MLKEM_SOURCE) || echo "check: without post-quantum handshakes" >&2
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@if [ "$$(uname -m)" = x86_64 ]; then $(MAKE) --no-print-directory musl-check; fi
	@tests/run $(UNIT_BIN) $(wildcard tests/apps/*/test_*.py tests/lint/test_*.py) $(TESTS) \
	    --meanwhile "$(BUILD_SANITIZED)" --then $(SANITIZED_UNIT_BIN)

# Check runs each case in a child of its own (valgrind follows), and leaves its own bookkeeping reachable at exit.
## run the unit tests under valgrind
check-valgrind:
	@scripts/install-deps build valgrind
	@$(MAKE) --no-print-directory $(PARALLEL) unit-tests
	@failed=0; for test in $(UNIT_BIN); do \
	    valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	        --trace-children=yes $$test || { echo "check-valgrind: $$test failed" >&2; failed=1; }; \
	done; exit $$failed

# --- make lint ---

# Generated files lie in build*/; everything else of these kinds is checked.
C_FILES      := $(shell find include shim tools tests -name '*.[ch]' 2>/dev/null | sort)
SHELL_FILES  := $(shell grep -rlIE '^\#!(/usr)?/bin/(env )?(ba)?sh' scripts .ci clients examples tests 2>/dev/null | sort)
TIDY_FILES   := $(filter shim/%.c tools/%.c,$(C_FILES))

LINTS := lint-format lint-shell lint-gcc lint-clang lint-cppcheck lint-tidy lint-spelling lint-markdown lint-architecture lint-errors

# All of them run even if one finds something.
##@ Lint
## run every lint below
lint:
	@scripts/install-deps build lint
	@$(MAKE) --no-print-directory --keep-going $(LINTS)
	@echo "lint: clean"

.PHONY: $(LINTS) lint-commits
## check the layout of C files with clang-format
lint-format:
	@echo "lint: clang-format"
	@clang-format --dry-run -Werror $(C_FILES)

## check shell scripts with shellcheck
lint-shell:
	@echo "lint: shellcheck"
	@$(if $(SHELL_FILES),shellcheck $(SHELL_FILES))

# In CI, `make check` has already compiled all with gcc and -Werror in a clean checkout: that build is completed. What clang
# warns of does not depend on how much it optimises.
lint-gcc: LINT_BUILD = $(if $(CI),build,build-$@)
lint-clang: LINT_BUILD = build-$@ OPTIMISE=-O1
## compile everything with -Werror
lint-gcc lint-clang:
	@echo "lint: $(@:lint-%=%) -Werror"
	@$(MAKE) --no-print-directory $(PARALLEL) CC=$(@:lint-%=%) WERROR=-Werror B=$(LINT_BUILD) tests

## run cppcheck
lint-cppcheck:
	@echo "lint: cppcheck"
	@cppcheck --quiet --error-exitcode=1 --std=c11 -j$(JOBS) --enable=warning,performance,portability \
	    --library=posix,gnu --inline-suppr --suppressions-list=tests/lint/cppcheck-suppressions.txt \
	    -D_GNU_SOURCE -DPFSWRAP_VERSION='"0"' -DPFSWRAP_INTERPRETER='""' -D__x86_64__ '-DElfW(type)=Elf64_##type' \
	    -Iinclude -Ishim $(filter %.c,$(C_FILES))

# clang-tidy writes its counts to standard error, and its findings to standard output.
## run clang-tidy
lint-tidy:
	@echo "lint: clang-tidy"
	@printf '%s\n' $(TIDY_FILES) | xargs -r -n 1 -P $(JOBS) sh -c \
	    'clang-tidy --quiet "$$0" -- -std=gnu11 -D_GNU_SOURCE -DPFSWRAP_VERSION=\"0\" -DPFSWRAP_INTERPRETER=\"\" -DPFSWRAP_CIPHER_OPENSSL -Iinclude -Ishim 2>/dev/null'

## check the spelling of all text (codespell); tests/lint/spelling-ignore.txt has the words that only look misspelt
lint-spelling:
	@echo "lint: codespell"
	@codespell --check-hidden --ignore-words=tests/lint/spelling-ignore.txt \
	    --skip='./.git,./build,./build-*,*/node_modules,*/package-lock.json,*.svg,./tests/fuzz/corpus,__pycache__' .

## run mdl over all Markdown
lint-markdown:
	@echo "lint: mdl"
	@find . \( -path './.git' -o -path './build*' -o -name node_modules \) -prune -o -name '*.md' -print | sort | \
	    xargs mdl --style tests/lint/markdown.rb

## compare the modules and their arrows with docs/ARCHITECTURE.md
lint-architecture: all
	@echo "lint: architecture"
	@python3 -B tests/lint/architecture.py --build $(B)

## compare what functions return for an error with CONTRIBUTING.md
lint-errors:
	@echo "lint: errors"
	@python3 -B tests/lint/errors.py

## check the subjects of the commits after SINCE: subsystem: what
lint-commits:
	@$(if $(SINCE),tests/lint/commits "$(SINCE)",echo "lint-commits: nothing to check, expected SINCE=COMMIT")
## the commit after which lint-commits begins
SINCE ?=

##@ Test
## show a real server without and with pfswrap
demo:
	@scripts/install-deps build demo
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@scripts/demo
