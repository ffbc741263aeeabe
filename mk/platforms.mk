# Other Debian systems, with the objects that were built here: the same object has to work with the glibc and the libssl of
# each. The quick part unpacks the systems and runs a short list; the long part installs them, builds the tree in each, and
# runs more. docs/COMPATIBILITY.md has the results.

##@ Test
## what check-platforms tests: Debian suites and architectures
QUICK_PLATFORMS ?= bullseye/amd64 trixie/amd64 bookworm/i386

.PHONY: check-platforms check-platforms-long
## run a short list of forcing and sealing tests on other Debian systems, with the objects that were built here (root only)
check-platforms:
	@scripts/install-deps build
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@case " $(QUICK_PLATFORMS)" in */i386*) \
	    scripts/install-deps i386 && $(MAKE) --no-print-directory TARGET=i386 build-i386/sysroot/complete.mk || exit 0; \
	    $(MAKE) --no-print-directory $(PARALLEL) TARGET=i386 build/i386/libpfswrap.so;; \
	esac
	@scripts/quick-platforms $(B)/platforms $(QUICK_PLATFORMS)

##@ Long tests
## the Debian releases for check-platforms-long
PLATFORMS ?= bullseye bookworm trixie sid

## install other Debian releases, build the tree in each, and run more tests with the objects that were built here (root only)
check-platforms-long: all
	@scripts/install-deps fresh
	@for suite in $(PLATFORMS); do \
	    scripts/fresh-system --suite $$suite --objects $(B) scripts/platform-tests /root/objects || exit 1; \
	done
