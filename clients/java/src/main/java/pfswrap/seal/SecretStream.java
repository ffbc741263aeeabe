package pfswrap.seal;

import java.util.Arrays;
import org.bouncycastle.crypto.engines.ChaCha7539Engine;
import org.bouncycastle.crypto.engines.ChaChaEngine;
import org.bouncycastle.crypto.macs.Poly1305;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.params.ParametersWithIV;

/**
 * One direction of a connection: libsodium's crypto_secretstream_xchacha20poly1305 with the frames around it (docs/WIRE.md,
 * 1.1, 2.5 and 2.7). ChaCha20 and Poly1305 are Bouncy Castle's; only their order is here.
 */
final class SecretStream {
    static final int HEADER = 24;
    static final int PREFIX = 3; /* type and length, the additional data */
    static final int OVERHEAD = 17; /* of a ciphertext: the tag's byte and the MAC */
    static final int FRAME_OVERHEAD = PREFIX + OVERHEAD + 1;
    static final int MESSAGE = 0;
    static final int REKEY = 2;
    static final int FINAL = 3;
    private static final int MAC = 16;
    private static final int BLOCK = 64;

    private final ChaCha7539Engine chacha = new ChaCha7539Engine();
    private final Poly1305 poly = new Poly1305();
    private final byte[] key;
    private final byte[] nonce = new byte[12]; /* counter (4, little-endian), inonce (8) */
    private final byte[] block = new byte[BLOCK];
    private final byte[] mac = new byte[MAC];
    private long sinceRekey;

    SecretStream(byte[] splitKey, byte[] header) {
        key = hchacha20(splitKey, header);
        System.arraycopy(header, 16, nonce, 4, 8);
        nonce[0] = 1;
    }

    /**
     * HChaCha20 (draft-irtf-cfrg-xchacha, 2.2): ChaCha20's rounds without the last addition, which is undone here. The result
     * is words 0 to 3 and 12 to 15.
     */
    static byte[] hchacha20(byte[] key, byte[] input) {
        final int[] state = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        final int[] result = new int[16];
        final byte[] out = new byte[Crypto.KEY];

        for (int i = 0; i < 8; i++) {
            state[4 + i] = le32(key, 4 * i);
        }
        for (int i = 0; i < 4; i++) {
            state[12 + i] = le32(input, 4 * i);
        }
        ChaChaEngine.chachaCore(20, state, result);
        for (int i = 0; i < 8; i++) {
            final int word = i < 4 ? i : i + 8;
            final int value = result[word] - state[word];

            for (int j = 0; j < 4; j++) {
                out[4 * i + j] = (byte) (value >>> 8 * j);
            }
        }
        Arrays.fill(state, 0);
        Arrays.fill(result, 0);
        return out;
    }

    private static int le32(byte[] bytes, int at) {
        return bytes[at] & 255 | (bytes[at + 1] & 255) << 8 | (bytes[at + 2] & 255) << 16 | (bytes[at + 3] & 255) << 24;
    }

    /** Makes a whole frame, with its trailing zero byte. {@code rekey} is the agreed interval. */
    byte[] frame(int type, byte[] plaintext, int at, int length, long rekey, boolean isFinal) {
        final int ciphertext = length + OVERHEAD;
        final byte[] frame = new byte[PREFIX + ciphertext + 1];
        int tag = MESSAGE;

        if (isFinal) {
            tag = FINAL;
        } else if (++sinceRekey >= rekey) {
            tag = REKEY;
            sinceRekey = 0;
        }
        frame[0] = (byte) type;
        frame[1] = (byte) (ciphertext >> 8);
        frame[2] = (byte) ciphertext;
        seal(frame, tag, plaintext, at, length);
        return frame;
    }

    /** The seal alone, for any tag: the frame has its prefix. */
    void seal(byte[] frame, int tag, byte[] plaintext, int at, int length) {
        begin();
        block[0] = (byte) tag;
        chacha.processBytes(block, 0, BLOCK, block, 0);
        frame[PREFIX] = block[0];
        chacha.processBytes(plaintext, at, length, frame, PREFIX + 1);
        authenticate(frame, frame, PREFIX + 1, length);
        System.arraycopy(mac, 0, frame, PREFIX + 1 + length, MAC);
        advance(tag);
    }

    /**
     * Opens the frame of {@code length} bytes of ciphertext that begins in {@code in} at {@code at} with its prefix, and puts its
     * plaintext into {@code out}, length - 17 bytes. Returns the tag.
     */
    int open(byte[] in, int at, int length, byte[] out, long rekey) throws SealException {
        final int plaintext = length - OVERHEAD;
        final int cipherAt = at + PREFIX + 1;
        final byte[] prefix = Arrays.copyOfRange(in, at, at + PREFIX);
        final byte[] expected;
        int tag;

        begin();
        block[0] = in[at + PREFIX];
        chacha.processBytes(block, 0, BLOCK, block, 0);
        tag = block[0];
        block[0] = in[at + PREFIX];
        authenticate(prefix, in, cipherAt, plaintext);
        expected = Arrays.copyOfRange(in, cipherAt + plaintext, cipherAt + plaintext + MAC);
        if (!Crypto.equal(mac, expected)) {
            throw new SealException(SealError.E_FRAME);
        }
        chacha.processBytes(in, cipherAt, plaintext, out, 0);
        advance(tag);
        if (tag == REKEY) {
            sinceRekey = 0;
        } else if (tag != MESSAGE && tag != FINAL) {
            throw new SealException(SealError.E_TAG);
        } else if (tag == MESSAGE && ++sinceRekey >= rekey) {
            throw new SealException(SealError.E_REKEY);
        }
        return tag;
    }

    /** Step 1: block 0 is the key of the MAC. The next bytes of the keystream are those of block 1. */
    private void begin() {
        chacha.init(true, new ParametersWithIV(new KeyParameter(key), nonce));
        Arrays.fill(block, (byte) 0);
        chacha.processBytes(block, 0, BLOCK, block, 0);
        poly.init(new KeyParameter(block, 0, Crypto.KEY));
        Arrays.fill(block, (byte) 0);
    }

    /** Step 4: n mod 16 zero bytes behind the ciphertext, as libsodium has it. */
    private void authenticate(byte[] prefix, byte[] ciphertext, int at, int length) {
        final byte[] zeros = new byte[16];
        final byte[] lengths = new byte[16];
        final int sum = BLOCK + length;

        poly.update(prefix, 0, PREFIX);
        poly.update(zeros, 0, 16 - PREFIX);
        poly.update(block, 0, BLOCK);
        poly.update(ciphertext, at, length);
        poly.update(zeros, 0, length % 16);
        lengths[0] = PREFIX;
        for (int i = 0; i < 4; i++) {
            lengths[8 + i] = (byte) (sum >>> 8 * i);
        }
        poly.update(lengths, 0, 16);
        poly.doFinal(mac, 0);
    }

    /** Steps 6 and 7. */
    private void advance(int tag) {
        boolean wrapped = true;

        for (int i = 0; i < 8; i++) {
            nonce[4 + i] ^= mac[i];
        }
        for (int i = 0; i < 4 && wrapped; i++) {
            wrapped = ++nonce[i] == 0;
        }
        if (tag == REKEY || tag == FINAL || wrapped) {
            final byte[] next = new byte[Crypto.KEY + 8];

            System.arraycopy(key, 0, next, 0, Crypto.KEY);
            System.arraycopy(nonce, 4, next, Crypto.KEY, 8);
            chacha.init(true, new ParametersWithIV(new KeyParameter(key), nonce));
            chacha.processBytes(next, 0, next.length, next, 0);
            System.arraycopy(next, 0, key, 0, Crypto.KEY);
            System.arraycopy(next, Crypto.KEY, nonce, 4, 8);
            Arrays.fill(nonce, 0, 4, (byte) 0);
            nonce[0] = 1;
            Crypto.wipe(next);
        }
        Crypto.wipe(block);
    }

    /** Overwrites the keys that this object has. */
    void wipe() {
        final byte[] zeros = new byte[Crypto.KEY];

        Crypto.wipe(key, nonce, block, mac);
        chacha.init(true, new ParametersWithIV(new KeyParameter(zeros), nonce));
        poly.init(new KeyParameter(zeros));
    }
}
