# ML-KEM-768, the post-quantum part of the seal's hybrid handshakes: libsodium's. Debian 12's libsodium has none, so its code
# is compiled from the source package of a later Debian, if that was fetched. The source archive (make dist) has its files. The
# reasons are in docs/ARCHITECTURE.md, and docs/PACKAGES.md says what a packager does.

##@ Build
## on: post-quantum handshakes, or the build fails (in a source archive); off: none; auto: if ML-KEM can be had (elsewhere)
POST_QUANTUM ?= $(if $(wildcard third-party/libsodium/version),on,auto)

# The compiler's own objcopy and nm, which know the target's objects.
MLKEM_OBJCOPY = $(shell $(CC) -print-prog-name=objcopy)
MLKEM_NM      = $(shell $(CC) -print-prog-name=nm)

$(B)/shim/seal/mlkem.o: shim/seal/mlkem.c scripts/mlkem-object mk/mlkem.mk $(wildcard $(MLKEM_SOURCE)/version)
	@mkdir -p $(@D)
	@LINK="$(CC)" OBJCOPY="$(MLKEM_OBJCOPY)" NM="$(MLKEM_NM)" SOURCE="$(MLKEM_SOURCE)" scripts/mlkem-object $(POST_QUANTUM) $@ \
	    $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: mlkem-source
## fetch the source of a libsodium that has ML-KEM from Debian's mirror; the next build has post-quantum handshakes then
mlkem-source:
	@scripts/mlkem-source $(MLKEM_SOURCE)
