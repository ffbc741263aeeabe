package pfswrap.seal;

import java.util.Arrays;

/** Bytes of the transport that have not been interpreted. */
final class ReceiveBuffer {
    byte[] bytes = new byte[2 * SealTunnel.FRAME];
    int at;
    private int end;

    void add(byte[] more, int from, int length) {
        if (at == end) {
            clear();
        }
        if (end + length > bytes.length) {
            final int kept = end - at;
            final byte[] larger = kept + length > bytes.length ? new byte[2 * (kept + length)] : bytes;

            System.arraycopy(bytes, at, larger, 0, kept);
            at = 0;
            end = kept;
            bytes = larger;
        }
        System.arraycopy(more, from, bytes, end, length);
        end += length;
    }

    int available() {
        return end - at;
    }

    /** Removes the first bytes. */
    byte[] take(int length) {
        at += length;
        return Arrays.copyOfRange(bytes, at - length, at);
    }

    byte[] peek(int length) {
        return Arrays.copyOfRange(bytes, at, at + length);
    }

    /** The byte at an offset, 0 to 255. */
    int u8(int offset) {
        return bytes[at + offset] & 255;
    }

    int u16(int offset) {
        return u8(offset) << 8 | u8(offset + 1);
    }

    void clear() {
        at = 0;
        end = 0;
    }
}
