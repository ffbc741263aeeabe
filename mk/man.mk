# Manual pages: docs/man/NAME.SECTION.scd -> $(B)/man/NAME.SECTION by scdoc(1). A source archive (make dist) has the pages
# already, so that it builds where there is no scdoc.

MAN_SRC := $(sort $(wildcard docs/man/*.scd))
MAN     := $(patsubst docs/man/%.scd,$(B)/man/%,$(MAN_SRC))
SCDOC   ?= $(shell command -v scdoc 2>/dev/null)

# Whether each page can be made, or is there.
MAN_READY := $(if $(SCDOC),yes,$(if $(filter-out $(wildcard $(MAN_SRC:.scd=)),$(MAN_SRC:.scd=)),,yes))

all: $(if $(MAN_READY),$(MAN))

.PHONY: man
##@ Build
## build the man pages (needs scdoc, but in a source archive)
man: $(if $(MAN_READY),$(MAN))
	@$(if $(MAN_READY),:,echo "man: no pages, since scdoc is not installed; expected 'scripts/install-deps build' or 'apt-get install scdoc' first (a source archive of 'make dist' has the pages)" >&2; exit 1)

$(B)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	@$(if $(SCDOC),scdoc < $<,cat docs/man/$*) > $@.new && mv $@.new $@
