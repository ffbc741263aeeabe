package pfswrap.seal;

/** The Noise patterns with their numbers on the wire (docs/WIRE.md, 2.1) and what follows from each. */
enum Pattern {
    IK(1, true, false, false, "Noise_IK_25519_ChaChaPoly_SHA256"),
    NK(2, false, false, false, "Noise_NK_25519_ChaChaPoly_SHA256"),
    IKPSK2(3, true, true, false, "Noise_IKpsk2_25519_ChaChaPoly_SHA256"),
    NKPSK2(4, false, true, false, "Noise_NKpsk2_25519_ChaChaPoly_SHA256"),
    IKHFS(5, true, false, true, "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256"),
    NKHFS(6, false, false, true, "Noise_NKhfs_25519+MLKEM768_ChaChaPoly_SHA256"),
    IKHFS_PSK2(7, true, true, true, "Noise_IKhfs+psk2_25519+MLKEM768_ChaChaPoly_SHA256"),
    NKHFS_PSK2(8, false, true, true, "Noise_NKhfs+psk2_25519+MLKEM768_ChaChaPoly_SHA256");

    final int number;
    final boolean named; /* the client has a static key */
    final boolean psk;
    final boolean hybrid;
    final String noiseName;

    Pattern(int number, boolean named, boolean psk, boolean hybrid, String noiseName) {
        this.number = number;
        this.named = named;
        this.psk = psk;
        this.hybrid = hybrid;
        this.noiseName = noiseName;
    }

    static Pattern of(boolean named, boolean psk, boolean hybrid) {
        for (Pattern pattern : values()) {
            if (pattern.named == named && pattern.psk == psk && pattern.hybrid == hybrid) {
                return pattern;
            }
        }
        throw new AssertionError();
    }

    static Pattern of(int number) throws SealException {
        for (Pattern pattern : values()) {
            if (pattern.number == number) {
                return pattern;
            }
        }
        throw new SealException(SealError.E_PATTERN);
    }

    int messageMin() {
        return hybrid ? 1152 : 48;
    }

    int messageMax() {
        return hybrid ? 2224 : 1024;
    }

    /** Bytes of message 1 without its payload. */
    int overhead1() {
        return Crypto.KEY + (hybrid ? MlKem.PUBLIC + Crypto.TAG : 0) + (named ? Crypto.KEY + Crypto.TAG : 0) + Crypto.TAG;
    }
}
