# `make help`: the `##` comments above targets and variables (mk/help.awk says how they are written).

##@ Build
.PHONY: help
## print this list
help:
	@awk -f mk/help.awk Makefile $(sort $(wildcard mk/*.mk))
