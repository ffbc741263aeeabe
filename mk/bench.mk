# Benchmarks. `make bench-tls` measures for about five minutes; QUICK=1 for 20 seconds, ROUNDS=N as long as you like.

BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(patsubst %.c,$(B)/%,$(BENCH_SRC))

$(B)/tests/bench/%: $(B)/tests/bench/%.o
	@$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $< $(call program_libraries,tests/bench/$*.c)

# They are built with the tests, so that they stay what the lints see.
tests: $(BENCH_BIN)

.PHONY: bench-tls bench-programs
bench-programs: all $(BENCH_BIN)
	@:

QUICK  ?=
ROUNDS ?=
bench-tls:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/tls_bench.py $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-wire
bench-wire:
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@python3 -B tests/bench/wire_bench.py $(if $(ROUNDS),--rounds $(ROUNDS))
