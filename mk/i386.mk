# `make check-i386`: 32-bit programs on this 64-bit system. The object of mk/target/i386.mk is built beside the native one,
# and so are the C programs of the tests, in build-i386. Then the tests of sealed connections run with those programs, and
# the test of trees with programs of both kinds.

I386_PROGRAMS = $(patsubst %.c,build-i386/%,$(filter-out %/sock_differ.c,$(wildcard tests/apps/programs/seal/sock_*.c)) \
                    $(wildcard tests/apps/programs/launcher/*.c tests/apps/programs/seal/ready_*.c))
# What needs nothing but these programs.
I386_TESTS    = $(addprefix tests/apps/seal/test_,$(addsuffix .py,calls blocking close epoll export options process \
                    processes readiness relay sandbox_and_stress small_stacks))
I386_LIBRARIES = $(CURDIR)/build-i386/sysroot/usr/lib/i386-linux-gnu

##@ Test
.PHONY: check-i386
## build the object for 32-bit programs, and run the tests of sealed connections with 32-bit programs
check-i386:
	@scripts/install-deps build check i386
	@$(MAKE) --no-print-directory $(PARALLEL) tests
	@$(MAKE) --no-print-directory $(PARALLEL) TARGET=i386 build/i386/libpfswrap.so $(I386_PROGRAMS)
	@B=build-i386 LD_LIBRARY_PATH=$(I386_LIBRARIES) tests/run $(I386_TESTS)
	@tests/run tests/apps/launcher/test_i386.py
