package pfswrap.seal;

import java.util.Arrays;
import java.util.Base64;

/** A public key of X25519, 32 bytes. Not secret. */
public final class PublicKey {
    private final byte[] bytes;

    private PublicKey(byte[] bytes) {
        this.bytes = bytes;
    }

    /** From base64, as {@code pfswrap pubkey} prints it: 44 characters. */
    public static PublicKey of(String base64) {
        return new PublicKey(decode(base64.trim(), "a public key"));
    }

    /** From 32 bytes. */
    public static PublicKey of(byte[] bytes) {
        if (bytes.length != Crypto.KEY) {
            throw new SealKeyException("a public key of " + bytes.length + " bytes, expected " + Crypto.KEY);
        }
        return new PublicKey(bytes.clone());
    }

    static byte[] decode(String base64, String what) {
        final String expected = what + " that is not valid, expected 44 characters of base64 (32 bytes), as pfswrap genkey and"
                + " pubkey print them";
        byte[] bytes;

        try {
            bytes = base64.length() == 44 ? Base64.getDecoder().decode(base64) : new byte[0];
        } catch (IllegalArgumentException exception) { /* its text has a part of the key */
            throw new SealKeyException(expected);
        }
        if (bytes.length != Crypto.KEY || !Base64.getEncoder().encodeToString(bytes).equals(base64)) {
            Crypto.wipe(bytes);
            throw new SealKeyException(expected);
        }
        return bytes;
    }

    /** A copy of the 32 bytes. */
    public byte[] bytes() {
        return bytes.clone();
    }

    byte[] shared() {
        return bytes;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PublicKey && Arrays.equals(bytes, ((PublicKey) other).bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    /** Base64. */
    @Override
    public String toString() {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
