# The libraries that are linked into the object and the tool: found once, compiled into `pfswrap version --json`, and the
# source of the SBOM. When one of them changes, everything that holds it is made again: the stamp's name has a checksum of
# the libraries, since package managers give files old times.

# The tool is static, so it holds libc and the compiler's library, too; one with sanitizers is not.
LINKED   := $(SODIUM) $(INIH) $(if $(SANITIZE),,-l:libc.a -l:libgcc.a)
ARCHIVES := $(foreach word,$(LINKED) $(LIBCRYPTO),$(if $(filter -l:%,$(word)),$(shell $(CC) -print-file-name=$(word:-l:%=%)),$(filter %.a,$(word))))
STAMP    := $(B)/linked-$(shell cat $(ARCHIVES) $(wildcard $(MLKEM_SOURCE)/version) 2>/dev/null | cksum | cut -d' ' -f1)
LIST     := $(STAMP:$(B)/linked-%=$(B)/components-%)

$(STAMP):
	@mkdir -p $(@D)
	@rm -f $(B)/linked-* $(B)/components-*
	@touch $@
$(B)/libpfswrap.so: $(LIST)

# Tab-separated, as scripts/components says. OpenSSL's cipher is inside if cipher_openssl.o has it (mk/cipher.mk), and the
# ML-KEM of a newer libsodium if mlkem.o has it (mk/mlkem.mk).
CIPHER_OBJECT := $(B)/shim/seal/cipher_openssl.o
MLKEM_OBJECT  := $(B)/shim/seal/mlkem.o
$(CIPHER_OBJECT) $(MLKEM_OBJECT): $(STAMP)
$(LIST): $(CIPHER_OBJECT) $(MLKEM_OBJECT) scripts/components
	@CC="$(CC)" CPPFLAGS="$(CPPFLAGS)" scripts/components $(filter -l:% %.a,$(LINKED)) \
	    $$(! $(NM) $(CIPHER_OBJECT) | grep -qi ' t chacha20' || echo $(filter -l:% %.a,$(LIBCRYPTO))) \
	    $$(! $(MLKEM_NM) $(MLKEM_OBJECT) | grep -qi ' t .*mlkem768_ref' || echo $(MLKEM_SOURCE)/version) > $@.new && mv $@.new $@

$(B)/tools/components.c: $(LIST)
	@mkdir -p $(@D)
	@{ echo '#include "components.h"'; echo 'const struct component components[] = {'; \
	   sed 's/[\\"]/\\&/g; s/\t/", "/g; s/.*/    {"&"},/' $(LIST); echo '    {0},'; echo '};'; } > $@
$(B)/tools/components.o: $(B)/tools/components.c tools/components.h
	@$(CC) $(CPPFLAGS) $(CFLAGS) -Itools -c -o $@ $<
