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
INSTALL_DOC        = $(DESTDIR)$(PREFIX)/share/doc/pfswrap
INSTALL_UNIT       = $(DESTDIR)$(PREFIX)/lib/systemd/system

# The units of the key agent. None is enabled.
UNITS := pfswrap-agent.service pfswrap-agent.socket

##@ Install
## debug information of what is installed: separate (files in .debug folders), inside or none
DEBUG_FILES ?= separate
# $(call install_binary,MODE,FILE,TARGET); the programs that belong to the compiler, since it may be one for another machine.
install_binary = OBJCOPY="$(shell $(CC) -print-prog-name=objcopy)" scripts/install-binary $(DEBUG_FILES) $(1) "$(2)" "$(3)"
# $(call uninstall_binary,FILE)
uninstall_binary = rm -f "$(1)" "$(dir $(1)).debug/$(notdir $(1)).debug"; rmdir "$(dir $(1)).debug" 2>/dev/null || true
# Texts name files below /usr/local: the commands that they show must work where this is installed.
install_text = sed 's|/usr/local/|$(PREFIX)/|g' "$(1)" > "$(2).new" && chmod 644 "$(2).new" && mv -f "$(2).new" "$(2)"

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
install-base: all man
	@install -d "$(INSTALL_BIN)" "$(INSTALL_LIBEXEC)" "$(INSTALL_LIB)" "$(INSTALL_COMPLETION)" "$(INSTALL_POLICY)" "$(INSTALL_DOC)"
	@$(call install_binary,0755,$(B)/pfswrap-tool,$(INSTALL_LIBEXEC)/pfswrap-tool)
	@$(call install_binary,0755,$(B)/pfswrap-seal,$(INSTALL_LIBEXEC)/pfswrap-seal)
	@$(call install_binary,0644,$(B)/libpfswrap.so,$(INSTALL_LIB)/libpfswrap.so)
	@ln -sf ../libexec/pfswrap/pfswrap-tool "$(INSTALL_BIN)/pfswrap"
	@for name in $(OBJECTS_BUILT); do \
	    install -d "$(INSTALL_LIB)/$$name" && \
	    $(call install_binary,0644,$(B)/$$name/libpfswrap.so,$(INSTALL_LIB)/$$name/libpfswrap.so) || exit 1; \
	done
	@install -m 0644 scripts/completion.bash "$(INSTALL_COMPLETION)/pfswrap"
	@for policy in $(notdir $(sort $(wildcard policy/*.conf))); do \
	    $(call install_text,policy/$$policy,$(INSTALL_POLICY)/$$policy) || exit 1; \
	done
	@for page in $(notdir $(MAN)); do \
	    install -d "$(INSTALL_MAN)/man$${page##*.}" && \
	    $(call install_text,$(B)/man/$$page,$(INSTALL_MAN)/man$${page##*.}/$$page) || exit 1; \
	done
	@install -d "$(INSTALL_UNIT)"
	@for unit in $(UNITS); do $(call install_text,examples/systemd/$$unit,$(INSTALL_UNIT)/$$unit) || exit 1; done
	@install -m 0644 LICENSE docs/LICENCES.md "$(INSTALL_DOC)/"
	@VERSION=$(VERSION) scripts/sbom $(LIST) "$(INSTALL_LIB)/libpfswrap.so" "$(INSTALL_LIBEXEC)/pfswrap-tool" "$(INSTALL_LIBEXEC)/pfswrap-seal" > "$(INSTALL_DOC)/pfswrap.cdx.json"
	@chmod 0644 "$(INSTALL_DOC)/pfswrap.cdx.json"

## remove what install-base installed
uninstall-base:
	@rm -f "$(INSTALL_BIN)/pfswrap" "$(INSTALL_COMPLETION)/pfswrap" \
	    $(patsubst %,"$(INSTALL_UNIT)/%",$(UNITS)) $(patsubst %,"$(INSTALL_DOC)/%",LICENSE LICENCES.md pfswrap.cdx.json)
	@$(call uninstall_binary,$(INSTALL_LIBEXEC)/pfswrap-tool)
	@$(call uninstall_binary,$(INSTALL_LIBEXEC)/pfswrap-seal)
	@$(call uninstall_binary,$(INSTALL_LIB)/libpfswrap.so)
	@for name in $(OBJECT_NAMES); do \
	    rm -f "$(INSTALL_LIB)/$$name/libpfswrap.so" "$(INSTALL_LIB)/$$name/.debug/libpfswrap.so.debug"; \
	    rmdir "$(INSTALL_LIB)/$$name/.debug" "$(INSTALL_LIB)/$$name" 2>/dev/null || true; \
	done
	@for policy in $(notdir $(wildcard policy/*.conf)); do rm -f "$(INSTALL_POLICY)/$$policy"; done
	@for page in $(notdir $(MAN)); do rm -f "$(INSTALL_MAN)/man$${page##*.}/$$page"; done
	@for directory in "$(INSTALL_LIBEXEC)" "$(INSTALL_LIB)" "$(INSTALL_POLICY)" "$(INSTALL_DOC)" \
	    "$(DESTDIR)$(PREFIX)/share/pfswrap"; do rmdir "$$directory" 2>/dev/null || true; done
