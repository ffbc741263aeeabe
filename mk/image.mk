# The OCI image: `make image` writes build/image/, an OCI layout, and build/pfswrap-image.tar, the same in one file. The
# image has no base: it has the tree that `make install-base` makes, without debug information. docs/CONTAINERS.md says how
# to use it. umoci(1) makes it without a daemon, and nothing here needs root.
#
# Two builds of one commit are identical, byte for byte: all times are that of the commit, or SOURCE_DATE_EPOCH.

IMAGE          := $(B)/image
IMAGE_TAR      := $(B)/pfswrap-image.tar
IMAGE_ROOT     := $(B)/image-root
IMAGE_LAYER    := $(B)/image-layer.tar
IMAGE_TIME      = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),0)
IMAGE_DATE      = $(shell date -u -d @$(IMAGE_TIME) +%Y-%m-%dT%H:%M:%SZ)
IMAGE_REVISION  = $(shell git rev-parse --verify -q HEAD || echo unknown)
##@ Build
## the machine of the image, as container engines name it
IMAGE_ARCH     ?= $(if $(findstring aarch64,$(shell $(CC) -dumpmachine)),arm64,amd64)
## the folder in the image; the tree works in every folder
IMAGE_PREFIX   ?= /usr/local

# Archives that do not depend on the machine, the user or the time (GNU tar's manual, "Reproducible Archives").
IMAGE_PACK = tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@$(IMAGE_TIME) --mode=u=rwX,go=rX
IMAGE_HISTORY = --history.created "$(IMAGE_DATE)" --history.author pfswrap --history.created_by "make image"

# The labels that engines and registries show (OCI Image Format Specification, annotations).
image_label   = --config.label "org.opencontainers.image.$(1)" --manifest.annotation "org.opencontainers.image.$(1)"
IMAGE_LABELS  = $(call image_label,title=pfswrap) \
    $(call image_label,description=TLS 1.3 with ECDHE and sealed connections for existing programs) \
    $(call image_label,version=$(VERSION)) $(call image_label,revision=$(IMAGE_REVISION)) \
    $(call image_label,created=$(IMAGE_DATE)) $(call image_label,licenses=Apache-2.0)

.PHONY: image
## build an OCI image of the command, the objects and the policies (docs/CONTAINERS.md)
image: all
	@scripts/install-deps image
	@rm -rf $(IMAGE) $(IMAGE_ROOT) $(IMAGE_TAR) $(IMAGE_LAYER)
	@$(MAKE) --no-print-directory install-base DESTDIR=$(abspath $(IMAGE_ROOT)) PREFIX=$(IMAGE_PREFIX) DEBUG_FILES=none
	@rm -rf $(IMAGE_ROOT)$(IMAGE_PREFIX)/share/bash-completion $(IMAGE_ROOT)$(IMAGE_PREFIX)/share/man $(IMAGE_ROOT)$(IMAGE_PREFIX)/lib/systemd
	@$(IMAGE_PACK) -C $(IMAGE_ROOT) -cf $(IMAGE_LAYER) .$(IMAGE_PREFIX)
	@umoci --log error init --layout $(IMAGE)
	@umoci --log error new --image $(IMAGE):$(VERSION)
	@umoci --log error raw add-layer --image $(IMAGE):$(VERSION) $(IMAGE_HISTORY) $(IMAGE_LAYER)
	@umoci --log error config --image $(IMAGE):$(VERSION) --no-history --created "$(IMAGE_DATE)" --author pfswrap \
	    --os linux --architecture $(IMAGE_ARCH) \
	    --config.entrypoint $(IMAGE_PREFIX)/bin/pfswrap --config.cmd help \
	    --config.env PATH=$(IMAGE_PREFIX)/bin --config.workingdir / \
	    $(IMAGE_LABELS)
	@umoci gc --layout $(IMAGE)
	@$(IMAGE_PACK) -C $(IMAGE) -cf $(IMAGE_TAR) blobs index.json oci-layout
	@rm -rf $(IMAGE_ROOT) $(IMAGE_LAYER)
	@echo "image: $(IMAGE):$(VERSION) and $(IMAGE_TAR), linux/$(IMAGE_ARCH), $$(du -k $(IMAGE_TAR) | cut -f1) KiB"
