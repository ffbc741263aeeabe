# `make check-i386`: 32-bit programs on this 64-bit system. The object of mk/target/i386.mk is built beside the native one,
# and so are the unit tests and the C programs of the tests, in build-i386. The unit tests run; then the tests of sealed and
# forced C programs and of the layer inside TLS run with those programs, and the test of trees with programs of both kinds.

I386_PROGRAMS = $(patsubst %.c,build-i386/%,$(filter-out %/sock_journal.c,$(wildcard tests/apps/programs/seal/sock_*.c)) \
                    $(wildcard tests/apps/programs/launcher/*.c tests/apps/programs/seal/ready_*.c) \
                    $(addprefix tests/apps/programs/,seal/static_true.c layer/layer_calls.c layer/layer_ending.c \
                        $(addprefix tls/,fixed_index.c fixed_method.c memory_bio.c shared_memory.c unusual.c weaken.c write_only.c)))
# What needs nothing but these programs, and the openssl command of the sysroot. docs/COMPATIBILITY.md has what is left out.
I386_TESTS    = $(addprefix tests/apps/seal/test_,$(addsuffix .py,adopted bad_peers blocking calls close descriptor_reuse differ \
                    epoll export failing_calls linger log_failure options pre_handshake process processes readiness relay \
                    sandbox_and_stress sandbox_threads small_buffers small_stacks spurious_events unsealed)) \
                $(addprefix tests/apps/layer/test_,calls.py ends.py) \
                $(addprefix tests/apps/tls/test_,$(addsuffix .py,fixed_index fixed_method memory_bio openssl_cli shared_memory \
                    unusual weaken write_only))
I386_LIBRARIES = $(CURDIR)/build-i386/sysroot/usr/lib/i386-linux-gnu
I386_RUN       = B=build-i386 LD_LIBRARY_PATH=$(I386_LIBRARIES) PATH="$(CURDIR)/build-i386/sysroot/usr/bin:$$PATH" \
    PFSWRAP_TEST_WITHOUT=$(CURDIR)/tests/unit/i386-without.txt tests/run

##@ Test
.PHONY: check-i386
## build the object for 32-bit programs, and run the unit tests and the tests of C programs with it
check-i386:
	@scripts/install-deps build check i386
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@$(MAKE) --no-print-directory TARGET=i386 build-i386/sysroot/complete.mk
	@$(MAKE) --no-print-directory $(PARALLEL) TARGET=i386 build/i386/libpfswrap.so unit-tests $(I386_PROGRAMS)
	@$(I386_RUN) $(UNIT_SRC:%.c=build-i386/%) $(I386_TESTS) $(TESTS)
	@tests/run tests/apps/launcher/test_i386.py
