# The soak of sealed sockets: `make soak GIB=100 SEED=7`. Mixed load for a day: `make endurance HOURS=24`. Both print how far
# they are, and what the processes use, which has bounds. `make check` runs a short one of each.

##@ Long tests
## GiB that the soak moves
GIB  ?= 10
## hours of endurance, such as 0.5
HOURS ?= 24
## the seed of the random choices in soak and storm
SEED ?= 1

.PHONY: soak
## move GIB GiB through sealed sockets and compare every byte
soak:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_SOAK_GIB=$(GIB) PFSWRAP_SOAK_SEED=$(SEED) python3 -B tests/apps/seal/test_soak.py

.PHONY: endurance
## run mixed load for HOURS hours: nothing may be lost, and what servers use has a bound
endurance:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_ENDURANCE_HOURS=$(HOURS) python3 -B tests/apps/seal/test_endurance.py

# Peers that know the protocol and have the right keys. In `make check` each server gets 120 of their connections.
##@ Long tests
## minutes of fuzz-live
MINUTES ?= 30
## socket or tls: what fuzz-live attacks (default: both)
LAYER   ?=

.PHONY: fuzz-live
## let hostile peers with the right keys attack servers that run
fuzz-live:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_FUZZ_MINUTES=$(MINUTES) PFSWRAP_FUZZ_SEED=$(SEED) PFSWRAP_FUZZ_LAYER=$(LAYER) \
	    python3 -B tests/apps/seal/test_fuzz_live.py

# The README's two commands on a machine that has only Debian, gcc and make.
.PHONY: fresh
## run make demo and make check in a fresh Debian system (root only)
fresh:
	@scripts/install-deps fresh
	@scripts/fresh-system
