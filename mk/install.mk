# install and uninstall. The tree below PREFIX is what scripts/pfswrap and pfswrap-tool look for; moving it as a whole
# works. Other parts of the tree add targets of their own to INSTALL_MORE and UNINSTALL_MORE.

# bin/pfswrap is a link to the tool, which knows its place by /proc/self/exe: the script that a build tree has in its
# stead would start a shell, four tenths of what `pfswrap run` adds to the start of a program.
INSTALL_BIN        = $(DESTDIR)$(PREFIX)/bin
INSTALL_LIBEXEC    = $(DESTDIR)$(PREFIX)/libexec/pfswrap
INSTALL_LIB        = $(DESTDIR)$(PREFIX)/lib/pfswrap
INSTALL_MAN        = $(DESTDIR)$(PREFIX)/share/man
INSTALL_COMPLETION = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
INSTALL_POLICY     = $(DESTDIR)$(PREFIX)/share/pfswrap/policy

INSTALL_MORE   ?=
UNINSTALL_MORE ?=

.PHONY: install install-base uninstall uninstall-base
.SECONDEXPANSION:
##@ Install
## build and install everything
install: install-base $$(INSTALL_MORE)
## remove what install installed
uninstall: uninstall-base $$(UNINSTALL_MORE)

## install everything but libpfswrap-seal, with the objects for other machines that were built
install-base: all
	@install -d "$(INSTALL_BIN)" "$(INSTALL_LIBEXEC)" "$(INSTALL_LIB)" "$(INSTALL_COMPLETION)" "$(INSTALL_POLICY)"
	@install -m 0755 $(B)/pfswrap-tool "$(INSTALL_LIBEXEC)/pfswrap-tool"
	@ln -sf ../libexec/pfswrap/pfswrap-tool "$(INSTALL_BIN)/pfswrap"
	@install -m 0644 $(B)/libpfswrap.so "$(INSTALL_LIB)/libpfswrap.so"
	@for name in $(OBJECTS_BUILT); do \
	    install -d "$(INSTALL_LIB)/$$name" && \
	    install -m 0644 "$(B)/$$name/libpfswrap.so" "$(INSTALL_LIB)/$$name/libpfswrap.so" || exit 1; \
	done
	@install -m 0644 scripts/completion.bash "$(INSTALL_COMPLETION)/pfswrap"
	@install -m 0644 policy/*.conf "$(INSTALL_POLICY)/"
	@$(if $(SCDOC),,echo "install: no man pages, since scdoc is not installed; expected 'apt-get install scdoc' before 'make install'" >&2)
	@for page in $(notdir $(if $(SCDOC),$(MAN))); do \
	    install -d "$(INSTALL_MAN)/man$${page##*.}" && \
	    install -m 0644 $(B)/man/$$page "$(INSTALL_MAN)/man$${page##*.}/$$page" || exit 1; \
	done

## remove what install-base installed
uninstall-base:
	@rm -f "$(INSTALL_BIN)/pfswrap" "$(INSTALL_LIBEXEC)/pfswrap-tool" "$(INSTALL_LIB)/libpfswrap.so" \
	    "$(INSTALL_COMPLETION)/pfswrap"
	@for name in $(OBJECT_NAMES); do \
	    rm -f "$(INSTALL_LIB)/$$name/libpfswrap.so"; rmdir "$(INSTALL_LIB)/$$name" 2>/dev/null || true; \
	done
	@for policy in $(notdir $(wildcard policy/*.conf)); do rm -f "$(INSTALL_POLICY)/$$policy"; done
	@for page in $(notdir $(MAN)); do rm -f "$(INSTALL_MAN)/man$${page##*.}/$$page"; done
	@for directory in "$(INSTALL_LIBEXEC)" "$(INSTALL_LIB)" "$(INSTALL_POLICY)" \
	    "$(DESTDIR)$(PREFIX)/share/pfswrap"; do rmdir "$$directory" 2>/dev/null || true; done
