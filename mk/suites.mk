# Test suites of other projects, bare and under pfswrap: `make suites SUITE="libuv curl"`. They take long, from minutes to
# hours; `make check` runs none of them.

##@ Long tests
## the suites that `make suites` runs (default: all that tests/suites/ has)
SUITE       ?=
## the folder for their sources, builds and results (default: one in /tmp, removed at the end)
SUITES_WORK ?=

.PHONY: suites
## run test suites of other projects bare, forced and sealed, and print what differs
suites: all
	@scripts/install-deps suites
	@work=$(SUITES_WORK); [ -n "$$work" ] || { work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT; }; \
	    nice python3 -B tests/suites/suites.py --work "$$work" $(SUITE)
