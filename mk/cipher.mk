# The cipher of the seal: OpenSSL's ChaCha20 and Poly1305 from libcrypto.a, without the rest of libcrypto, beside
# libsodium's. docs/ARCHITECTURE.md has the reasons.

##@ Build
## openssl: the seal has OpenSSL's assembler; libsodium: it does without; auto: OpenSSL's if libcrypto.a can be used
CIPHER    ?= $(if $(TARGET),libsodium,auto)
# For another machine: its archive, and the tools for its objects.
LIBCRYPTO ?= -l:libcrypto.a
OBJCOPY   ?= objcopy
NM        ?= nm

$(B)/shim/seal/cipher_openssl.o: shim/seal/cipher_openssl.c scripts/cipher-object mk/cipher.mk
	@mkdir -p $(@D)
	@LINK="$(CC)" LIBCRYPTO="$(LIBCRYPTO)" OBJCOPY="$(OBJCOPY)" NM="$(NM)" scripts/cipher-object $(CIPHER) $@ \
	    $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
