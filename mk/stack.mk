# `make lint-stack`: how much stack each interposed function uses. gcc writes a graph of calls with the size of each
# frame; tests/lint/stack.py joins the graphs. Only gcc can write them.

LINTS += lint-stack

.PHONY: lint-stack
##@ Lint
## compare the stack use of each interposed function with the bounds in tests/lint/stack-rules.txt
lint-stack:
	@echo "lint: stack"
	@$(MAKE) --no-print-directory $(PARALLEL) CC=gcc STACK_GRAPH=1 B=build-$@ build-$@/libpfswrap.so
	@python3 -B tests/lint/stack.py --build build-$@

ifdef STACK_GRAPH
$(B)/shim/%.o: CFLAGS += -fcallgraph-info=su
endif
