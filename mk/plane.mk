# The shared object with a third plane, for tests/apps/project/test_plane.py: one file more, and one line more in the list
# of planes (with its declaration). Everything else is the object's own.

PLANE_SO := $(B)/tests/plane/libpfswrap.so
# Not for builds that are no object to be preloaded; and not for `make coverage`, which counts one object.
tests: $(if $(SANITIZE)$(COVERAGE),,$(PLANE_SO))

$(B)/tests/plane/order.c: shim/order.c mk/plane.mk
	@mkdir -p $(@D)
	@sed -e 's|^const struct plane \*const planes.*|extern const struct plane counting_plane;\n&|' \
	    -e 's|^    &inspect_plane,|&\n    \&counting_plane,|' $< > $@
	@[ "$$(diff $< $@ | grep -c '^>')" = 2 ] || { echo "$@: expected two lines more than in $<" >&2; exit 1; }

$(B)/tests/plane/order.o: $(B)/tests/plane/order.c
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(PLANE_SO): $(call obj,$(filter-out shim/order.c,$(SHIM_SRC)) tests/plane/counting.c) $(B)/tests/plane/order.o $(B)/libpfswrap.so
	@$(CC) $(CFLAGS) $(LDFLAGS) $(OBJECT_LDFLAGS) -o $@ $(filter %.o,$^) $(INIH) $(SODIUM)
