# Containers and fleets: recipes, init programs and roles, tried without an engine and without a daemon. Only root can run
# the parts that make containers; nothing else is skipped without them.

CONTAINER_TESTS := $(wildcard tests/containers/test_*.py)

##@ Long tests
.PHONY: check-containers
## run the tests of the image, the container recipes and the roles (root only; docs/CONTAINERS.md, docs/FLEET.md)
check-containers:
	@scripts/install-deps build containers
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@tests/run $(CONTAINER_TESTS) $(TESTS)
