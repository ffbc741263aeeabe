# Packages and archives. What they contain and how they are tested: docs/PACKAGES.md. All of them go to $(B)/packages, and
# the same commit gives the same bytes.

PACKAGES := $(B)/packages
NAME     := pfswrap-$(VERSION)
DIST     := $(PACKAGES)/$(NAME).tar.gz

WITHOUT_MLKEM = $(filter off,$(POST_QUANTUM))

.PHONY: dist tarball deb rpm check-packages check-reproducible
##@ Install
## make the source archive, with the man pages and the source of ML-KEM in it
dist: man
	@mkdir -p $(PACKAGES)
	@$(if $(WITHOUT_MLKEM),,scripts/mlkem-source $(MLKEM_SOURCE) || { echo "dist: no source of ML-KEM (above), expected a mirror that has it, or POST_QUANTUM=off for packages without post-quantum handshakes" >&2; exit 1; })
	@scripts/source-archive $(VERSION) $(B)/man $(DIST) $(if $(WITHOUT_MLKEM),,$(MLKEM_SOURCE))
	@echo "dist: $(DIST)"

## make an archive of everything that make install installs, which runs from any folder
tarball:
	@scripts/install-deps build
	@$(if $(WITHOUT_MLKEM),,scripts/mlkem-source $(MLKEM_SOURCE) || $(if $(filter on,$(POST_QUANTUM)),exit 1,echo "tarball: without post-quantum handshakes" >&2))
	@$(MAKE) --no-print-directory $(PARALLEL) all man
	@rm -rf $(PACKAGES)/tarball
	@mkdir -p $(PACKAGES)
	@umask 022 && $(MAKE) --no-print-directory install PREFIX=/$(NAME) DESTDIR=$(CURDIR)/$(PACKAGES)/tarball
	@scripts/packages/relocatable $(PACKAGES)/tarball/$(NAME)
	@scripts/reproducible-tar $(PACKAGES)/tarball $(NAME) $(PACKAGES)/$(NAME)-$(MACHINE).tar.gz
	@rm -rf $(PACKAGES)/tarball
	@echo "tarball: $(PACKAGES)/$(NAME)-$(MACHINE).tar.gz"

# The first word of the compiler's triplet: x86_64, i686, aarch64.
MACHINE = $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

## make the Debian packages
deb:
	@scripts/install-deps build packages
	@$(MAKE) --no-print-directory dist
	@scripts/packages/deb $(VERSION) $(DIST) $(PACKAGES)

## make the RPM packages
rpm:
	@scripts/install-deps build packages
	@$(MAKE) --no-print-directory dist
	@scripts/packages/rpm $(VERSION) $(DIST) $(PACKAGES)

##@ Long tests
## build all packages, examine them, and use them in a fresh Debian system (root only; 20 minutes)
check-packages: deb rpm tarball
	@scripts/install-deps fresh
	@scripts/packages/check $(VERSION) $(PACKAGES)

## build everything twice, in different folders, times, umasks and languages, and compare each byte (10 minutes)
check-reproducible:
	@scripts/install-deps build packages
	@$(MAKE) --no-print-directory dist
	@scripts/packages/check-reproducible $(DIST)
