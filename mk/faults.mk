# System calls that fail. `make faults` makes each call of the shim fail in each way, at each moment and in each plane;
# `make check` makes a sample of these runs. It takes hours: `make faults CALLS="futex ppoll"` chooses calls.

##@ Long tests
## the system calls that `make faults` lets fail (default: all of the shim's)
CALLS ?=

.PHONY: faults
## make every system call of the shim fail in every way
faults:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_FAULTS=0 PFSWRAP_FAULTS_CALLS="$(CALLS)" PFSWRAP_FAULTS_JOBS=$(JOBS) python3 -B tests/apps/seal/test_faults.py
