package pfswrap.seal;

import java.security.MessageDigest;
import java.util.Arrays;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.digests.Blake2bDigest;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.macs.HMac;
import org.bouncycastle.crypto.modes.ChaCha20Poly1305;
import org.bouncycastle.crypto.params.AEADParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.math.ec.rfc7748.X25519;

/** The algorithms of docs/WIRE.md, section 1, from Bouncy Castle: this file computes nothing by itself. */
final class Crypto {
    static final int KEY = 32;
    static final int TAG = 16;
    static final int HASH = 32;
    private static final int NONCE = 12;

    private Crypto() {
    }

    static byte[] publicKey(byte[] secret) {
        final byte[] out = new byte[KEY];

        X25519.scalarMultBase(secret, 0, out, 0);
        return out;
    }

    /** X25519; E_SMALL_ORDER if the result is all zero (RFC 7748, 6.1). */
    static byte[] agree(byte[] secret, byte[] peer) throws SealException {
        final byte[] out = new byte[KEY];

        if (!X25519.calculateAgreement(secret, 0, peer, 0, out, 0)) {
            throw new SealException(SealError.E_SMALL_ORDER);
        }
        return out;
    }

    static byte[] sha256(byte[]... parts) {
        final SHA256Digest digest = new SHA256Digest();
        final byte[] out = new byte[HASH];

        for (byte[] part : parts) {
            digest.update(part, 0, part.length);
        }
        digest.doFinal(out, 0);
        return out;
    }

    private static byte[] hmac(byte[] key, byte[]... parts) {
        final HMac mac = new HMac(new SHA256Digest());
        final byte[] out = new byte[HASH];

        mac.init(new KeyParameter(key));
        for (byte[] part : parts) {
            mac.update(part, 0, part.length);
        }
        mac.doFinal(out, 0);
        mac.init(new KeyParameter(new byte[KEY])); /* the key's pads are not kept */
        return out;
    }

    /** HKDF of the Noise specification, section 4.3: two or three outputs of 32 bytes. */
    static byte[][] hkdf(byte[] chainingKey, byte[] input, int outputs) {
        final byte[] temporary = hmac(chainingKey, input);
        final byte[][] out = new byte[outputs][];
        byte[] previous = new byte[0];

        for (int i = 0; i < outputs; i++) {
            out[i] = hmac(temporary, previous, new byte[] {(byte) (i + 1)});
            previous = out[i];
        }
        wipe(temporary);
        return out;
    }

    /** BLAKE2b with a digest of 8 bytes and a key (RFC 7693). */
    static byte[] blake2b64(byte[] key, byte[] input, int length) {
        final Blake2bDigest digest = new Blake2bDigest(key, 8, null, null);
        final byte[] out = new byte[8];

        digest.update(input, 0, length);
        digest.doFinal(out, 0);
        digest.clearKey();
        return out;
    }

    /** ChaChaPoly with the Noise nonce: 4 zero bytes and 8 bytes, little-endian. */
    static byte[] seal(byte[] key, long counter, byte[] data, byte[] plaintext) {
        try {
            return chachaPoly(true, key, counter, data, plaintext);
        } catch (InvalidCipherTextException exception) {
            throw new IllegalStateException("encryption does not fail");
        }
    }

    /** The reverse; E_HANDSHAKE if the tag is wrong. Bouncy Castle compares it in constant time. */
    static byte[] open(byte[] key, long counter, byte[] data, byte[] ciphertext) throws SealException {
        if (ciphertext.length < TAG) {
            throw new SealException(SealError.E_HANDSHAKE);
        }
        try {
            return chachaPoly(false, key, counter, data, ciphertext);
        } catch (InvalidCipherTextException exception) {
            throw new SealException(SealError.E_HANDSHAKE);
        }
    }

    private static byte[] chachaPoly(boolean seals, byte[] key, long counter, byte[] data, byte[] input)
            throws InvalidCipherTextException {
        final ChaCha20Poly1305 cipher = new ChaCha20Poly1305();
        final byte[] nonce = new byte[NONCE];
        final byte[] out;
        int length;

        for (int i = 0; i < 8; i++) {
            nonce[4 + i] = (byte) (counter >>> 8 * i);
        }
        cipher.init(seals, new AEADParameters(new KeyParameter(key), 8 * TAG, nonce, data));
        out = new byte[cipher.getOutputSize(input.length)];
        length = cipher.processBytes(input, 0, input.length, out, 0);
        cipher.doFinal(out, length);
        return out;
    }

    static boolean equal(byte[] a, byte[] b) {
        return MessageDigest.isEqual(a, b);
    }

    static void wipe(byte[]... arrays) {
        for (byte[] array : arrays) {
            if (array != null) {
                Arrays.fill(array, (byte) 0);
            }
        }
    }

    static byte[] concat(byte[]... parts) {
        int length = 0;
        int at = 0;
        final byte[] all;

        for (byte[] part : parts) {
            length += part.length;
        }
        all = new byte[length];
        for (byte[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }
}
