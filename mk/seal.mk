# The seal protocol's library for programs that can be rebuilt, its fuzzers, benchmark, test programs and man page.

SEAL_SONAME := libpfswrap-seal.so.1
SEAL_LIBS   := $(B)/libpfswrap-seal.a $(B)/libpfswrap-seal.so
##@ Install
## where libpfswrap-seal goes: PREFIX/lib
LIBDIR      ?= $(PREFIX)/lib
## where its headers go: PREFIX/include
INCLUDEDIR  ?= $(PREFIX)/include

all: $(if $(filter glibc,$(LIBC)),$(SEAL_LIBS))

$(B)/libpfswrap-seal.a: $(call obj,$(SEAL_SRC))
	@rm -f $@
	@$(AR) rcsD $@ $^

$(B)/libpfswrap-seal.so: $(call obj,$(SEAL_SRC)) shim/seal/libpfswrap-seal.map
	@$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,-soname,$(SEAL_SONAME) \
	    -Wl,--version-script=shim/seal/libpfswrap-seal.map -o $@ $(call obj,$(SEAL_SRC)) -lsodium

INSTALL_MORE   += install-seal
UNINSTALL_MORE += uninstall-seal

.PHONY: install-seal uninstall-seal
## install libpfswrap-seal, its headers and its pkg-config file
install-seal: $(SEAL_LIBS)
	@install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/pfswrap
	@install -m 644 include/pfswrap/*.h $(DESTDIR)$(INCLUDEDIR)/pfswrap/
	@install -m 644 $(B)/libpfswrap-seal.a $(DESTDIR)$(LIBDIR)/
	@$(if $(filter inside,$(DEBUG_FILES)),,$(shell $(CC) -print-prog-name=objcopy) --strip-debug --enable-deterministic-archives \
	    $(DESTDIR)$(LIBDIR)/libpfswrap-seal.a)
	@$(call install_binary,644,$(B)/libpfswrap-seal.so,$(DESTDIR)$(LIBDIR)/$(SEAL_SONAME))
	@ln -sf $(SEAL_SONAME) $(DESTDIR)$(LIBDIR)/libpfswrap-seal.so
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' shim/seal/libpfswrap-seal.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/libpfswrap-seal.pc
	@chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/libpfswrap-seal.pc

## remove what install-seal installed
uninstall-seal:
	@$(call uninstall_binary,$(DESTDIR)$(LIBDIR)/$(SEAL_SONAME))
	@rm -f $(DESTDIR)$(LIBDIR)/libpfswrap-seal.a $(DESTDIR)$(LIBDIR)/libpfswrap-seal.so $(DESTDIR)$(LIBDIR)/pkgconfig/libpfswrap-seal.pc \
	    $(patsubst include/%,$(DESTDIR)$(INCLUDEDIR)/%,$(wildcard include/pfswrap/*.h))
	@rmdir $(DESTDIR)$(INCLUDEDIR)/pfswrap 2>/dev/null || true

# Programs that the tests of the protocol run: two endpoints on descriptors, the writer of the worked example, and the key
# commands.
SEAL_PROGRAMS := $(addprefix $(B)/tests/apps/programs/,$(addprefix seal/,seal_peer seal_ending seal_example seal_vectors seal_keys) \
                                                       layer/layer_ending)

$(SEAL_PROGRAMS): %: %.o $(B)/libtest-programs.a $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(INIH) $(SODIUM) -pthread \
	    $(call program_libraries,$(@:$(B)/%=%.c))

$(B)/tests/apps/programs/seal/seal_keys: $(call obj,$(addprefix tools/,keys.c keyio.c))

.PHONY: seal-programs
##@ Test
## build the programs that the tests of the seal protocol run
seal-programs: $(SEAL_PROGRAMS)

# docs/WIRE.md ends with what this prints; a test compares.
.PHONY: wire-example
## print the worked example at the end of docs/WIRE.md
wire-example: $(B)/tests/apps/programs/seal/seal_example
	@$<

.PHONY: wire-vectors
## write docs/vectors/seal.json, and hybrid.json if this build has ML-KEM
wire-vectors: $(B)/tests/apps/programs/seal/seal_vectors
	@mkdir -p docs/vectors
	@$< >docs/vectors/seal.json
	@$< hybrid >docs/vectors/hybrid.json.new && mv docs/vectors/hybrid.json.new docs/vectors/hybrid.json || rm docs/vectors/hybrid.json.new

# Fuzzers: clang's libFuzzer with the sanitizers, one after another. `make fuzz SECONDS=600`
##@ Long tests
## seconds that each fuzzer runs
SECONDS  ?= 60
## the compiler of the fuzzers; it needs libFuzzer
FUZZ_CC  ?= clang
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS  := $(patsubst tests/fuzz/%.c,build-fuzz/%,$(FUZZ_SRC))
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer $(WARNINGS)

# A target that reads what the commands read needs their code, too.
build-fuzz/fuzz_counters: FUZZ_TOOLS := $(addprefix tools/,snapshot.c snapshot_object.c safe_text.c)
build-fuzz/fuzz_chain: FUZZ_TOOLS := tools/report/verify.c tools/report/tally.c tools/message.c
build-fuzz/fuzz_chain: $(wildcard tools/report/*.[ch])
build-fuzz/fuzz_http: FUZZ_TOOLS := $(addprefix shim/tls/,http_header.c http_response.c)
build-fuzz/fuzz_http: $(wildcard shim/tls/http_*.[ch])
build-fuzz/fuzz_report: FUZZ_TOOLS := $(wildcard tools/report/*.c) tools/arguments.c tools/json.c tools/message.c
build-fuzz/fuzz_report: $(wildcard tools/report/*.[ch])

build-fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.c $(wildcard tests/fuzz/*.h shim/seal/*.h shim/policy/*.h shim/wire/*.h include/pfswrap/*.h tools/snapshot*.[ch]) $(CORE_SRC) $(B)/shim/seal/mlkem.o
	@mkdir -p $(@D)
	@$(FUZZ_CC) $(CPPFLAGS) $(FUZZ_CFLAGS) -DPFSWRAP_CIPHER_OPENSSL -o $@ $(filter tests/%.c,$^) $(FUZZ_TOOLS) \
	    $(filter-out shim/seal/mlkem.c,$(CORE_SRC)) $(B)/shim/seal/mlkem.o $(INIH) \
	    $(SODIUM) $(LIBCRYPTO) -pthread

.PHONY: fuzz fuzzers
## build the fuzzers
fuzzers: $(FUZZERS)
## run the fuzzers, one after another
fuzz:
	@scripts/install-deps fuzz
	@$(MAKE) --no-print-directory $(PARALLEL) fuzzers
	@for name in $(notdir $(FUZZERS)); do \
	    mkdir -p build-fuzz/corpus/$$name build-fuzz/findings && \
	    build-fuzz/$$name -max_total_time=$(SECONDS) -print_final_stats=1 -verbosity=1 \
	        -artifact_prefix=build-fuzz/findings/$$name- \
	        build-fuzz/corpus/$$name tests/fuzz/corpus/$$name > build-fuzz/$$name.log 2>&1 \
	    && echo "ok $$name: $$(grep -m1 number_of_executed_units build-fuzz/$$name.log), no finding" \
	    || { echo "not ok $$name: see build-fuzz/$$name.log"; exit 1; }; \
	done

# The channel beside libsodium alone, in memory (mk/bench.mk has the targets).
$(B)/tests/bench/seal: $(B)/tests/bench/seal.o $(B)/libpfswrap-core.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(INIH) $(SODIUM) -lm -pthread
