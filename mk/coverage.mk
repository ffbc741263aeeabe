# `make coverage`: which lines and branches the tests reach, in a build of its own. tests/README.md says how the counters
# survive and what is not counted.

##@ Test
.PHONY: coverage
## count the lines that tests reach, by folder, and write build-coverage/report/index.html
coverage:
	@scripts/install-deps build check coverage
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@$(MAKE) --no-print-directory $(PARALLEL) B=build-coverage COVERAGE=1 tests
	@python3 -B tests/coverage/coverage.py --build build-coverage $(UNIT_SRC:%.c=build-coverage/%) $(COVERAGE_TESTS)

# TESTS=all runs all application tests, TESTS="nginx curl" those whose path contains one of the words. Without TESTS, the
# tests of tests/apps/project/ are left out, and those that set a timeout or the order in which they run: they take long.
# Left out always: test_rebuilt links a program of its own with a library of this build, whose counters it does not have;
# test_plane has an object of its own; test_sandbox_document compares the system calls that the object makes, and
# test_systemd_settings makes files read-only, among them the counters. Tests that install use the plain build.
COVERAGE_NOT    := $(addprefix tests/apps/,layer/test_rebuilt.py project/test_plane.py seal/test_sandbox_document.py \
                     seal/test_systemd_settings.py)
APP_TESTS       := $(filter-out $(COVERAGE_NOT),$(wildcard tests/apps/*/test_*.py))
COVERAGE_SHORT   = $(shell grep -LE '^\# *(run|timeout):' $(filter-out tests/apps/project/%,$(APP_TESTS)))
COVERAGE_CHOSEN  = $(foreach test,$(APP_TESTS),$(if $(strip $(foreach word,$(TESTS),$(findstring $(word),$(test)))),$(test)))
COVERAGE_TESTS   = $(if $(filter all,$(TESTS)),$(APP_TESTS),$(if $(TESTS),$(COVERAGE_CHOSEN),$(COVERAGE_SHORT)))

ifdef COVERAGE
# Optimisation would merge lines, and _FORTIFY_SOURCE needs it. The tests keep both. gcc replaces execve() and its like by
# functions that write counters; but the shim is what defines these calls.
COUNT      := -O0 -U_FORTIFY_SOURCE --coverage -fprofile-update=atomic -fdata-sections
COUNT_SHIM := $(COUNT) $(addprefix -fno-builtin-,fork execl execle execlp execv execve execvp)
LDFLAGS    += --coverage
SHIM_SRC   += tests/coverage/counters.c
$(B)/shim/%.o $(B)/model/shim/%.o: CFLAGS += $(COUNT_SHIM)
$(B)/tools/%.o: CFLAGS += $(COUNT)
$(B)/libpfswrap.so: LDFLAGS += -Wl,--wrap=__gcov_exit -Wl,-T,tests/coverage/counters.ld
endif

# Other builds compile it as well, so that the lints see it.
tests: $(B)/tests/coverage/counters.o
$(B)/tests/coverage/counters.o: CPPFLAGS += -DPFSWRAP_COVERAGE_FILE='"$(CURDIR)/$(B)/libpfswrap.so.counters"'
