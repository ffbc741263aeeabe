# Descriptors that change hands between threads. `make storm CONNECTS=10000000 SEED=7` makes as many connections each way,
# against peers that count what they can read; it says how far it is, and how long it will take. `make model` runs
# the table of descriptors in all orders of steps with one preemption more than make check, in a minute.

CONNECTS ?= 1000000
MORE     ?= 1

.PHONY: storm model
storm:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_STORM_CONNECTS=$(CONNECTS) PFSWRAP_STORM_SEED=$(SEED) python3 -B tests/apps/seal/test_descriptor_storm.py

model:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) $(B)/tests/unit/connection/test_numbers
	@CK_TIMEOUT_MULTIPLIER=10 PFSWRAP_MODEL_MORE=$(MORE) PFSWRAP_MODEL_VERBOSE=1 $(B)/tests/unit/connection/test_numbers
