package pfswrap.seal;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The payload of a handshake message (docs/WIRE.md, 2.3). */
final class Payload {
    private static final int REKEY = 1;
    private static final int PSK_ID = 2;
    private static final int PADDING = 3;
    private static final int PSK_IDS_MAX = 16;
    private static final byte[] PSK_ID_TEXT = "pfswrap psk id 1".getBytes(StandardCharsets.US_ASCII);

    long rekey; /* 0: none was there */
    boolean readsPadding;
    boolean pads;
    final List<byte[]> pskIds = new ArrayList<>();

    /** {@code padding}: null says nothing, else whether this side pads. */
    static byte[] write(long rekey, Boolean padding, List<SecretKey> psks) {
        final ByteArrayOutputStream out = new ByteArrayOutputStream();

        out.write(REKEY);
        out.write(4);
        out.write(ByteBuffer.allocate(4).putInt((int) rekey).array(), 0, 4);
        if (padding != null) {
            out.write(PADDING);
            out.write(1);
            out.write(padding ? 1 : 0);
        }
        for (SecretKey psk : psks) {
            out.write(PSK_ID);
            out.write(8);
            out.write(idOf(psk), 0, 8);
        }
        return out.toByteArray();
    }

    static byte[] idOf(SecretKey psk) {
        return Crypto.blake2b64(psk.shared(), PSK_ID_TEXT, PSK_ID_TEXT.length);
    }

    static Payload read(byte[] bytes) throws SealException {
        final Payload payload = new Payload();
        int at = 0;

        while (at < bytes.length) {
            final int length = at + 1 < bytes.length ? bytes[at + 1] & 255 : 255;

            if (at + 2 + length > bytes.length) {
                throw new SealException(SealError.E_PAYLOAD);
            }
            payload.take(bytes[at] & 255, Arrays.copyOfRange(bytes, at + 2, at + 2 + length));
            at += 2 + length;
        }
        if (payload.rekey == 0) {
            payload.rekey = 1;
        }
        return payload;
    }

    private void take(int type, byte[] value) throws SealException {
        boolean good = true;

        if (type == REKEY) {
            good = rekey == 0 && value.length == 4;
            rekey = good ? ByteBuffer.wrap(value).getInt() & 0xffffffffL : 0;
            good = good && rekey > 0;
        } else if (type == PSK_ID) {
            good = value.length == 8;
            if (pskIds.size() < PSK_IDS_MAX) {
                pskIds.add(value);
            }
        } else if (type == PADDING) {
            good = !readsPadding && value.length == 1 && (value[0] & 255) <= 1;
            readsPadding = true;
            pads = good && value[0] == 1;
        }
        if (!good) {
            throw new SealException(SealError.E_PAYLOAD);
        }
    }
}
