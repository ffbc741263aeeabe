# System calls that fail. `make faults` makes each call of the shim fail in each way, at each moment and in each plane;
# `make check` makes a sample of these runs. It takes hours: `make faults CALLS="futex ppoll"` chooses calls, and
# `make faults PART=3/20` makes the third of 20 equal parts, each spread over all calls.

##@ Long tests
## the system calls that `make faults` lets fail (default: all of the shim's)
CALLS ?=
## a part of the runs of `make faults`: 3/20 is the third of 20 equal parts
PART  ?=

.PHONY: faults
## make every system call of the shim fail in every way
faults:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@PFSWRAP_FAULTS=0 PFSWRAP_FAULTS_CALLS="$(CALLS)" PFSWRAP_FAULTS_JOBS=$(JOBS) \
	    PFSWRAP_FAULTS_PART="$(PART)" python3 -B tests/apps/seal/test_faults.py
