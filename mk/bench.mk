# Benchmarks. `make bench` measures everything and writes docs/BENCHMARKS.md and docs/bench/. `make bench-sockets` and
# the like measure one part and print the table of targets.

BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(patsubst %.c,$(B)/%,$(BENCH_SRC))

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libtest-bench.a
	@$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(call program_libraries,tests/bench/$*.c)

# The shim's own log, without the shim.
$(B)/tests/bench/log_cost: $(B)/tests/bench/log_cost.o $(B)/libpfswrap-parts.a $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(INIH) $(SODIUM) -lrt -lm -pthread

$(B)/libtest-bench.a: $(call obj,$(wildcard tests/bench/lib/*.c))
	@rm -f $@
	@$(AR) rcsD $@ $^

# They are built with the tests, so that they stay what the lints see.
tests: $(BENCH_BIN)

##@ Benchmarks
## 1: two minutes at most, and docs/ stays as it is
QUICK  ?=
## rounds to measure
ROUNDS ?=
## 1: continue where the last run was stopped
RESUME ?=
## 1: measure nothing, write the page of the last run again
REDRAW ?=
BENCH_OPTIONS = $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RESUME),--resume) $(if $(REDRAW),--redraw)

BENCH_TARGETS := bench bench-crowd bench-layer bench-log bench-memory bench-padding bench-seal bench-sockets bench-start bench-tls bench-wire
.PHONY: $(BENCH_TARGETS) bench-programs

# The parts to measure; none means all.
BENCH_WANTED = $(@:bench-%=%)
## measure everything (about 20 minutes) and write docs/BENCHMARKS.md
bench: BENCH_WANTED :=
## measure close() and waits at a server with few descriptors and many silent strangers
bench-crowd:
## measure the layer inside TLS (layer = tls)
bench-layer:
## measure what the audit log costs for a TLS handshake
bench-log:
## measure the seal channel in memory, beside libsodium alone
bench-memory:
## count what padding costs: bytes and instructions
bench-padding:
## measure sealed sockets and the seal channel in memory
bench-seal: BENCH_WANTED := memory sockets
## measure sealed sockets against stunnel, spiped and plain TCP
bench-sockets:
## measure what preloading adds to the start of a program
bench-start:
## measure the tls plane
bench-tls:
## measure the wire plane
bench-wire:
## build the programs that the benchmarks run
bench-programs: all $(BENCH_BIN)
	@:

$(BENCH_TARGETS):
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/bench.py $(BENCH_OPTIONS) $(BENCH_WANTED)
