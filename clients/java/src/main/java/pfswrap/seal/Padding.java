package pfswrap.seal;

import java.util.Arrays;

/** Padding of frames (docs/WIRE.md, 2.12). Numbers of bytes are not secret to the peer. */
final class Padding {
    static final int TRAILER = 2; /* the number of zero bytes */

    private Padding() {
    }

    /** The plaintext of a padded frame with these bytes of data, at most {@code limit} bytes. */
    static byte[] apply(int setting, byte[] data, int at, int length, int limit) {
        final int least = length + TRAILER;
        final int padded = Math.min(limit, setting == SealSettings.PADDING_PADME ? padme(least) : (least + setting - 1) & -setting);
        final byte[] out = new byte[padded];
        final int zeros = padded - least;

        System.arraycopy(data, at, out, 0, length);
        out[padded - 2] = (byte) (zeros >> 8);
        out[padded - 1] = (byte) zeros;
        return out;
    }

    private static int padme(int length) {
        final int exponent = 31 - Integer.numberOfLeadingZeros(length);
        final int kept = 32 - Integer.numberOfLeadingZeros(exponent);
        final int mask = exponent > kept ? (1 << exponent - kept) - 1 : 0;

        return length + mask & ~mask;
    }

    /** How many bytes of the plaintext are data; E_PADDING. */
    static int remove(boolean padded, byte[] plaintext, int size) throws SealException {
        final int zeros = size < TRAILER ? size : (plaintext[size - 2] & 255) << 8 | plaintext[size - 1] & 255;
        final int data = size - TRAILER - zeros;
        int other = 0;

        Exchange.refuseIf(!padded || data < 1, SealError.E_PADDING);
        for (int i = data; i < size - TRAILER; i++) {
            other |= plaintext[i];
        }
        Exchange.refuseIf(other != 0, SealError.E_PADDING);
        Arrays.fill(plaintext, data, size, (byte) 0);
        return data;
    }
}
