# Manual pages: docs/man/NAME.SECTION.scd -> $(B)/man/NAME.SECTION, where scdoc(1) is there to make them.

MAN_SRC := $(wildcard docs/man/*.scd)
MAN     := $(patsubst docs/man/%.scd,$(B)/man/%,$(MAN_SRC))
SCDOC   ?= $(shell command -v scdoc 2>/dev/null)

all: $(if $(SCDOC),$(MAN))

.PHONY: man
##@ Build
## build the man pages (needs scdoc)
man: $(MAN)
	@$(if $(SCDOC),:,echo "man: scdoc is not installed, expected 'apt-get install scdoc'" >&2; exit 1)

$(B)/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	@scdoc < $< > $@.new && mv $@.new $@
