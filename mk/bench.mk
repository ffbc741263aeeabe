# Benchmarks. `make bench` measures everything in about 20 minutes and writes docs/BENCHMARKS.md and docs/bench/.
# QUICK=1 is a look of two minutes that leaves docs/ alone, ROUNDS=N takes as long as you like, RESUME=1 goes on where a
# run was stopped, REDRAW=1 measures nothing and writes the page of the last run again. One part of it alone, and the
# table of targets: `make bench-sockets` and so on; `make bench-seal` is the sealed sockets and the seal in memory.

BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(patsubst %.c,$(B)/%,$(BENCH_SRC))

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libtest-bench.a
	@$(CC) $(CFLAGS) -pie $(LDFLAGS) -o $@ $^ $(call program_libraries,tests/bench/$*.c)

$(B)/libtest-bench.a: $(call obj,$(wildcard tests/bench/lib/*.c))
	@rm -f $@
	@$(AR) rcs $@ $^

# They are built with the tests, so that they stay what the lints see.
tests: $(BENCH_BIN)

QUICK  ?=
ROUNDS ?=
RESUME ?=
REDRAW ?=
BENCH_OPTIONS = $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RESUME),--resume) $(if $(REDRAW),--redraw)

BENCH_PARTS := memory sockets start tls wire layer
BENCH_TARGETS := bench bench-seal $(BENCH_PARTS:%=bench-%)
bench: BENCH_WANTED :=
bench-seal: BENCH_WANTED := memory sockets
$(BENCH_PARTS:%=bench-%): BENCH_WANTED = $(@:bench-%=%)

.PHONY: $(BENCH_TARGETS) bench-programs
bench-programs: all $(BENCH_BIN)
	@:

$(BENCH_TARGETS):
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory $(PARALLEL) bench-programs
	@python3 -B tests/bench/bench.py $(BENCH_OPTIONS) $(BENCH_WANTED)
