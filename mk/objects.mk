# The objects for other machines and C libraries, beside the one of the system: build/NAME/libpfswrap.so, where NAME is
# in the table of shim/children/object.c. `make TARGET=NAME` builds one. They are installed in one folder, too.

OBJECT_NAMES := i386 x86_64 aarch64 x86_64-musl i386-musl aarch64-musl

##@ Build
## the object in the folder above the others (default: by the compiler of this machine)
NATIVE ?= $(call native_of,$(shell gcc -dumpmachine 2>/dev/null || uname -m))
native_of = $(patsubst i%86,i386,$(firstword $(subst -, ,$(1))))$(if $(findstring musl,$(1)),-musl)

# An object in DIR/NAME has to know what the one in DIR is for: OBJECT_X86_64_MUSL.
$(B)/shim/children/object.o: CPPFLAGS += -DPFSWRAP_NATIVE_OBJECT=OBJECT_$(shell echo $(NATIVE) | tr 'a-z-' 'A-Z_')

# Copied in one step, since a program may be starting at the same time.
ifneq ($(if $(SANITIZE),,$(filter $(TARGET),$(OBJECT_NAMES))),)
all: build/$(TARGET)/libpfswrap.so
build/$(TARGET)/libpfswrap.so: $(B)/libpfswrap.so
	@mkdir -p $(@D)
	@cp $< $@.new && mv $@.new $@
endif

# Those that were built.
OBJECTS_BUILT = $(foreach name,$(OBJECT_NAMES),$(if $(wildcard $(B)/$(name)/libpfswrap.so),$(name)))
