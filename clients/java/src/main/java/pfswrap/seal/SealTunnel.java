package pfswrap.seal;

import java.util.Arrays;

/**
 * One sealed connection without I/O: bytes of the transport go in and out, and so do bytes of data. It is for transports of your
 * own: TLS with an exporter value, an event loop, HTTP libraries. {@link SealedSocket} is built on it.
 *
 * <p>Send what {@link #dataToSend()} returns after every call, in its order. Not for two threads at once. An exception is final:
 * the keys are wiped, and each later call throws the same error.
 */
public final class SealTunnel {
    /** The most channel.plaintext of one frame. */
    public static final int FRAME = 16384;
    /** What {@link #read} returns at the authenticated end. */
    public static final int END = -1;

    private static final int IN_TLS = FRAME - SecretStream.FRAME_OVERHEAD; /* so that a frame fits into one record */

    private final Channel channel;
    private final int frameMax;
    private boolean transportEnded;

    private SealTunnel(Exchange exchange, byte[] binding) throws SealException {
        channel = new Channel(exchange);
        frameMax = binding.length > 0 ? IN_TLS : FRAME;
    }

    /**
     * A client of the server with this key. {@code binding} is the exporter value of the TLS connection (docs/MOBILE.md), and
     * empty on a socket.
     */
    public static SealTunnel client(SealSettings settings, PublicKey server, byte[] binding) throws SealException {
        return new SealTunnel(Exchange.client(settings, server, binding), binding);
    }

    /** A server with the identities of the settings. */
    public static SealTunnel server(SealSettings settings, byte[] binding) throws SealException {
        return new SealTunnel(Exchange.server(settings, binding), binding);
    }

    /** Bytes that the transport has received. */
    public void receive(byte[] bytes, int at, int length) {
        channel.in.add(bytes, at, length);
    }

    /** The transport has ended. */
    public void receiveEnd() {
        transportEnded = true;
    }

    /** Bytes for the transport, once. */
    public byte[] dataToSend() {
        final byte[] bytes = channel.out.toByteArray();

        channel.out.reset();
        return bytes;
    }

    /** Continues the handshake. True when the peer is authenticated; false when more bytes are needed. */
    public boolean handshake() throws SealException {
        channel.checkUsable();
        while (!isOpen() && channel.step()) {
            continue;
        }
        if (!isOpen() && transportEnded) {
            throw channel.fail(channel.ended());
        }
        return isOpen();
    }

    /** Whether the handshake is complete, also for the other side. */
    public boolean isOpen() {
        return channel.isOpen();
    }

    /** Data of the peer: the number of bytes, END, or 0 when more bytes of the transport are needed. */
    public int read(byte[] buffer, int at, int length) throws SealException {
        final int count;

        channel.checkUsable();
        if (length <= 0) {
            throw new IllegalArgumentException("a read of " + length + " bytes, expected 1 or more");
        }
        advance();
        if (channel.plainAt == channel.plainEnd) {
            if (channel.finalReceived) {
                return END;
            }
            if (transportEnded) {
                throw channel.fail(channel.ended());
            }
            return 0;
        }
        count = Math.min(length, channel.plainEnd - channel.plainAt);
        System.arraycopy(channel.plaintext, channel.plainAt, buffer, at, count);
        Arrays.fill(channel.plaintext, channel.plainAt, channel.plainAt + count, (byte) 0);
        channel.plainAt += count;
        return count;
    }

    /** Looks at what has come and answers it, up to the next data: for a side that only writes. */
    public void advance() throws SealException {
        channel.checkUsable();
        while (channel.plainAt == channel.plainEnd && channel.step()) {
            continue;
        }
    }

    /** Seals all of it. Data first begins a re-handshake if one is due. */
    public void write(byte[] data, int at, int length) throws SealException {
        final boolean pads = channel.exchange.pads();
        int from = at;

        channel.checkUsable();
        if (!isOpen()) {
            throw new IllegalStateException("the handshake is not complete");
        }
        if (channel.finalSent) {
            throw new SealException(SealError.E_CLOSED);
        }
        while (from < at + length) {
            final int count = Math.min(at + length - from, pads ? frameMax - Padding.TRAILER : frameMax);

            channel.checkLimits();
            channel.renewIfDue();
            if (pads) {
                final byte[] padded = Padding.apply(channel.exchange.settings.padding, data, from, count, frameMax);

                channel.limits.count(padded.length);
                channel.send(Channel.PADDED, padded, 0, padded.length, false);
                Crypto.wipe(padded);
            } else {
                channel.limits.count(count);
                channel.send(Channel.DATA, data, from, count, false);
            }
            from += count;
        }
    }

    /** Ends this direction with FINAL. The other one goes on. */
    public void close() throws SealException {
        channel.checkUsable();
        if (!isOpen()) {
            throw new IllegalStateException("the handshake is not complete");
        }
        channel.sendFinal();
    }

    /** A client: begins a re-handshake now, if one is possible. It goes on by itself. */
    public boolean renew() throws SealException {
        channel.checkUsable();
        return channel.renew();
    }

    /** Whether this side waits for a frame of the peer that renews keys, and so should read even if it only sends. */
    public boolean awaitsPeer() {
        return !channel.hasFailed() && isOpen() && !channel.finalReceived && !channel.finalSent && (channel.renewing || !channel.exchange.initiator && channel.limits.due());
    }

    /** How many bytes read() has at once. */
    public int pending() {
        return channel.plainEnd - channel.plainAt;
    }

    /** The name of the client at a server, or null: anonymous, or a client. */
    public String peerName() {
        return channel.exchange.clientName;
    }

    /** The peer's static key; null at a server: anonymous. */
    public PublicKey peerKey() {
        return channel.exchange.initiator ? channel.exchange.serverKey() : channel.exchange.clientKey;
    }

    /** The Noise pattern, such as {@code Noise_IK_25519_ChaChaPoly_SHA256}; null before a server knows it. */
    public String pattern() {
        return channel.exchange.pattern == null ? null : channel.exchange.pattern.noiseName;
    }

    /** How often both sides have agreed on new keys. */
    public int rehandshakes() {
        return channel.rehandshakes;
    }

    /** Whether all data of the peer is padded. */
    public boolean peerPads() {
        return channel.exchange.peerPads;
    }

    /** The handshake hash of the last handshake, the same on both sides and not secret; null before the first. */
    public byte[] handshakeHash() {
        return channel.exchange.hash == null ? null : channel.exchange.hash.clone();
    }

    /** Wipes keys and data. The peer is not told; close() does that. */
    public void free() {
        if (!channel.hasFailed()) {
            channel.fail(new SealException(SealError.E_CLOSED));
        }
    }
}
