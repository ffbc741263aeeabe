# compile_commands.json, for clangd and other tools that need the flags of each file.

##@ Build
.PHONY: compile_commands.json
## write the flags of each C file for clangd and editors
compile_commands.json:
	@$(MAKE) --no-print-directory --dry-run --always-make tests fuzzers | scripts/compile-commands > $@.new
	@mv $@.new $@
