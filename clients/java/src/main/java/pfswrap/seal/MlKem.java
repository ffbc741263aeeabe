package pfswrap.seal;

/** ML-KEM-768 (FIPS 203) from a library that may not have it: {@link #available()} is null then. */
interface MlKem {
    int PUBLIC = 1184;
    int CIPHERTEXT = 1088;
    int SEED = 64;
    int Q = 3329;

    /** The public key that belongs to the seed d || z. */
    byte[] publicKey(byte[] seed);

    /** The ciphertext and the shared secret, from 32 random bytes. The key has been checked. */
    byte[][] encapsulate(byte[] publicKey, byte[] random);

    /** The shared secret; another one if the ciphertext was made in another way. */
    byte[] decapsulate(byte[] seed, byte[] ciphertext);

    /** FIPS 203, section 7.2: each of the 768 numbers of 12 bits is below q. */
    static void check(byte[] publicKey) throws SealException {
        for (int i = 0; i + 2 < PUBLIC - 32; i += 3) {
            final int low = publicKey[i] & 255 | (publicKey[i + 1] & 15) << 8;
            final int high = (publicKey[i + 1] & 255) >> 4 | (publicKey[i + 2] & 255) << 4;

            if (low >= Q || high >= Q) {
                throw new SealException(SealError.E_KEM_KEY);
            }
        }
    }

    /** The one of Bouncy Castle, or null: it has ML-KEM since 1.79, and this package may have been compiled with an older one. */
    static MlKem available() {
        try {
            return (MlKem) Class.forName("pfswrap.seal.BouncyMlKem").getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException | LinkageError exception) {
            return null;
        }
    }
}
