# Programs of musl (mk/target/x86_64-musl.mk). `make check` runs tests/apps/musl; the targets here run the tests of
# sealed, inspected and forced C programs with programs that musl-gcc has compiled.

ifeq ($(TARGET),x86_64-musl)
.PHONY: musl-programs musl-tls-programs
musl-programs: all $(patsubst %.c,$(B)/%,$(filter-out $(MUSL_TLS_SRC),$(MUSL_PROG_SRC)))
musl-tls-programs: all $(patsubst %.c,$(B)/%,$(MUSL_TLS_SRC))
endif

MUSL_BUILD := build-x86_64-musl

# The tests whose programs are all in C, and exist for musl.
MUSL_TESTS := $(addprefix tests/apps/seal/test_,$(addsuffix .py, \
    adopted bad_peers blocking calls close descriptor_reuse differ epoll export failing_calls forks linger \
    log_failure options pre_handshake process processes readiness relay sandbox_and_stress sandbox_threads secrets \
    small_buffers spurious_events unsealed)) tests/apps/wire/test_own_ring.py

# What `make check` needs of them: the programs that tests/apps/musl names.
MUSL_CHECK_BIN := $(addprefix $(MUSL_BUILD)/tests/apps/programs/, launcher/execute launcher/who seal/static_true \
    $(addprefix seal/sock_,blocking by_number calls epoll exec export poll sending splice stdio timeouts))

##@ Long tests
.PHONY: musl musl-check check-musl check-musl-tls
## build the object for musl, and the programs for musl that `make check` runs
musl-check:
	@$(MAKE) --no-print-directory $(PARALLEL) TARGET=x86_64-musl all $(MUSL_CHECK_BIN)

## build the object and the test programs for musl
musl:
	@$(MAKE) --no-print-directory $(PARALLEL) TARGET=x86_64-musl musl-programs

## run the tests of sealed C programs with programs of musl
check-musl:
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@$(MAKE) --no-print-directory musl
	@B=$(MUSL_BUILD) tests/run $(MUSL_TESTS) $(wildcard tests/apps/musl/test_*.py)

# The tests of the tls plane whose programs are in C, or the openssl command.
MUSL_TLS_TESTS := $(patsubst %,tests/apps/tls/test_%.py,openssl_cli weaken fixed_method fixed_index memory_bio write_only \
                                                         shared_memory unusual)

## build OpenSSL for musl from Debian's sources, and run the tests of the tls plane with it (half an hour)
check-musl-tls:
	@scripts/install-deps build check musl
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@$(MAKE) --no-print-directory musl
	@scripts/musl-openssl $(MUSL_BUILD)/openssl $(MUSL_BUILD)/kernel-headers
	@$(MAKE) --no-print-directory $(PARALLEL) TARGET=x86_64-musl musl-tls-programs
	@PATH="$(CURDIR)/$(MUSL_BUILD)/openssl/install/bin:$$PATH" B=$(MUSL_BUILD) tests/run $(MUSL_TLS_TESTS)
