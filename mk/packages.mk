# Packages and archives. What they contain and how they are tested: docs/PACKAGES.md. All of them go to $(B)/packages, and
# the same commit gives the same bytes.

PACKAGES := $(B)/packages
NAME     := pfswrap-$(VERSION)
DIST     := $(PACKAGES)/$(NAME).tar.gz

.PHONY: dist tarball deb rpm check-packages check-reproducible
##@ Install
## make the source archive, with the man pages in it
dist: man
	@mkdir -p $(PACKAGES)
	@scripts/source-archive $(VERSION) $(B)/man $(DIST)
	@echo "dist: $(DIST)"

## make an archive of everything that make install installs, which runs from any folder
tarball:
	@scripts/install-deps build
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
