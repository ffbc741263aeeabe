# Benchmarks. `make bench` measures everything for about 20 minutes and writes docs/BENCHMARKS.md and docs/bench/;
# QUICK=1 is a look of two minutes that leaves docs/ alone. ROUNDS=N as long as you like. One part of it alone:
# `make bench-seal`, `make bench-sockets`, `make bench-tls`.

BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(patsubst %.c,$(B)/%,$(BENCH_SRC))

$(B)/tests/bench/%: $(B)/tests/bench/%.o
	@$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $< $(call program_libraries,tests/bench/$*.c)

# They are built with the tests, so that they stay what the lints see.
tests: $(BENCH_BIN)

QUICK  ?=
ROUNDS ?=
BENCH_OPTIONS = $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench bench-sockets bench-tls bench-programs
bench-programs: all $(BENCH_BIN)
	@:

bench:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/seal_bench.py $(if $(QUICK),--quick)
	@python3 -B tests/bench/sockets_bench.py $(BENCH_OPTIONS)
	@python3 -B tests/bench/tls_bench.py $(BENCH_OPTIONS)

bench-sockets:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/sockets_bench.py $(BENCH_OPTIONS)

bench-tls:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/tls_bench.py $(BENCH_OPTIONS)

# The bulk rate of the inner layer beside its ceiling, about two minutes. Exits nonzero if the target is missed.
.PHONY: bench-layer
bench-layer:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/layer_bench.py $(if $(QUICK),--rounds 3) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-wire
bench-wire:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@python3 -B tests/bench/wire_bench.py $(if $(ROUNDS),--rounds $(ROUNDS))
