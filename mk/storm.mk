# Descriptors that threads reuse. `make storm CONNECTS=10000000 SEED=7` makes ten million connections in each direction,
# against peers that count the plaintext they read, and shows its progress. `make fork-storm CONNECTIONS=2000
# WAYS="fork:exec spawn:close"` makes connections beside children of these kinds. `make model` runs the steps of the
# descriptor table in every order, with one preemption more than `make check`.

##@ Long tests
## connections that the storm makes in each direction
CONNECTS ?= 1000000
## preemptions that the model adds to those in `make check`
MORE     ?= 1

## connections that fork-storm makes beside each kind of child
CONNECTIONS ?= 200000
## kinds of children in fork-storm: how they are made, and what they do
WAYS     ?= $(foreach way,fork vfork clone spawn,$(addprefix $(way):,close exec exit))

.PHONY: storm fork-storm model reload-storm fleet-simulation
## simulate the revocation of a machine in a fleet of 10,000 with 1,000 peers each, by times that are measured
fleet-simulation:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@python3 -B tests/fleet/simulation.py

## reload ten times a second for a minute, beside 1,000 connections
reload-storm:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@RELOAD_CONNECTIONS=1000 RELOAD_SECONDS=60 python3 -B tests/apps/seal/test_reload_load.py

## exchange descriptors between threads, against peers that look for plaintext
storm:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_STORM_CONNECTS=$(CONNECTS) PFSWRAP_STORM_SEED=$(SEED) python3 -B tests/apps/seal/test_descriptor_storm.py

## make connections in a server with threads that forks, and compare each byte and each end
fork-storm:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_FORKS_CONNECTIONS=$(CONNECTIONS) PFSWRAP_FORKS_SEED=$(SEED) PFSWRAP_FORKS_WAYS="$(WAYS)" \
	    python3 -B tests/apps/seal/test_forks.py

## run the steps of the descriptor table in every order (a minute)
model:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) $(B)/tests/unit/connection/test_numbers
	@CK_TIMEOUT_MULTIPLIER=10 PFSWRAP_MODEL_MORE=$(MORE) PFSWRAP_MODEL_VERBOSE=1 $(B)/tests/unit/connection/test_numbers
