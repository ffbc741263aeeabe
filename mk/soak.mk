# The soak of sealed sockets, as long as you like: `make soak GIB=100 SEED=7`. make check has a short one.

GIB  ?= 10
SEED ?= 1

.PHONY: soak
soak:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_SOAK_GIB=$(GIB) PFSWRAP_SOAK_SEED=$(SEED) python3 -B tests/apps/seal/test_soak.py
