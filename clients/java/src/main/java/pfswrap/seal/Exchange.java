package pfswrap.seal;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** The handshake and the re-handshakes of one connection: preambles, payloads, who is admitted, and what was agreed. */
final class Exchange {
    static final int PREAMBLE = 28;
    private static final byte[] MAGIC = {(byte) 0xf5, 0x70, 0x66, 0x73, 0x77, 0x0d, 0x0a, 0x01};
    private static final int KEY_ID_AT = 20;

    final boolean initiator;
    final SealSettings settings;
    Pattern pattern;
    long rekey;
    boolean peerPads; /* the peer has announced that all its data is padded */
    boolean hasHandshake; /* the first handshake has settled padding */
    byte[] hash;
    String clientName;
    PublicKey clientKey;
    private final byte[] binding;
    private final MlKem kem = MlKem.available();
    private PublicKey server;
    private SecretKey identity;
    private Noise noise;
    private byte[] header;
    private boolean tellsPadding;
    private SecretKey psk; /* a responder's choice */

    private Exchange(SealSettings settings, boolean initiator, byte[] binding) {
        if (binding.length > 32) {
            throw new IllegalArgumentException("a binding of " + binding.length + " bytes, expected at most 32");
        }
        this.settings = settings;
        this.initiator = initiator;
        this.binding = binding.clone();
        rekey = settings.rekey;
    }

    static Exchange client(SealSettings settings, PublicKey server, byte[] binding) throws SealException {
        final Exchange exchange = new Exchange(settings, true, binding);
        final boolean hybrid = settings.postQuantum != SealSettings.PostQuantum.OFF;

        if (hybrid && exchange.kem == null) {
            throw new SealException(SealError.E_NO_HYBRID);
        }
        exchange.server = server;
        exchange.identity = settings.identities.isEmpty() ? null : settings.identities.get(0);
        exchange.pattern = Pattern.of(exchange.identity != null, !settings.psks.isEmpty(), hybrid);
        exchange.tellsPadding = settings.padding != SealSettings.PADDING_OFF;
        return exchange;
    }

    static Exchange server(SealSettings settings, byte[] binding) throws SealException {
        final Exchange exchange = new Exchange(settings, false, binding);

        if (settings.identities.isEmpty()) {
            throw new SealException(SealError.E_NO_IDENTITY);
        }
        if (settings.postQuantum == SealSettings.PostQuantum.REQUIRE && exchange.kem == null) {
            throw new SealException(SealError.E_NO_HYBRID);
        }
        return exchange;
    }

    boolean pads() {
        return settings.padding > SealSettings.PADDING_ALLOW;
    }

    private byte[] draw(int length) {
        final byte[] bytes = new byte[length];

        settings.random.accept(bytes);
        return bytes;
    }

    private byte[] prologue(byte[] preamble) {
        return Crypto.concat(preamble, new byte[] {(byte) settings.service.length}, settings.service,
                new byte[] {(byte) binding.length}, binding);
    }

    private byte[] payload() {
        final List<SecretKey> offered = initiator && pattern.psk ? settings.psks : Collections.emptyList();

        return Payload.write(rekey, tellsPadding ? Boolean.valueOf(pads()) : null, offered);
    }

    /** Initiator: the preamble and message 1. */
    byte[] first() throws SealException {
        final byte[] payload = payload();
        final int length = pattern.overhead1() + payload.length;
        final byte[] preamble = Arrays.copyOf(MAGIC, PREAMBLE);

        preamble[8] = (byte) pattern.number;
        preamble[10] = (byte) (length >> 8);
        preamble[11] = (byte) length;
        System.arraycopy(draw(8), 0, preamble, 12, 8);
        System.arraycopy(Crypto.blake2b64(server.shared(), preamble, KEY_ID_AT), 0, preamble, KEY_ID_AT, 8);
        return Crypto.concat(preamble, write1(prologue(preamble), payload));
    }

    /** Initiator: message 1 of a re-handshake. */
    byte[] question() throws SealException {
        return write1(hash, payload());
    }

    private byte[] write1(byte[] prologue, byte[] payload) throws SealException {
        final byte[] ephemeral = draw(Crypto.KEY);

        header = draw(SecretStream.HEADER);
        noise = new Noise(pattern, kem, prologue, server.shared());
        return noise.writeMessage1(server.shared(), identity == null ? null : identity.shared(), ephemeral,
                pattern.hybrid ? draw(MlKem.SEED) : null, payload);
    }

    /** Initiator: reads message 2. Returns the initiator's and the responder's stream key. */
    byte[][] readAnswer(byte[] message) throws SealException {
        final Payload payload = Payload.read(noise.readMessage2(message, settings.psks));

        settle(payload);
        hash = noise.hash();
        return noise.split();
    }

    private void settle(Payload payload) throws SealException {
        rekey = Math.min(rekey, payload.rekey);
        if (!hasHandshake) {
            if (pads() && !payload.readsPadding) {
                throw new SealException(SealError.E_PADDING_REFUSED);
            }
            peerPads = payload.pads && settings.padding != SealSettings.PADDING_OFF;
            if (!initiator) {
                tellsPadding = payload.readsPadding && settings.padding != SealSettings.PADDING_OFF;
            }
        }
        hasHandshake = true;
    }

    /** Responder: refuses a beginning that cannot become a preamble. {@code available} may be less than 28 bytes. */
    static void checkMagic(byte[] bytes, int at, int available) throws SealException {
        for (int i = 0; i < MAGIC.length && i < available; i++) {
            if (bytes[at + i] != MAGIC[i]) {
                throw new SealException(i == MAGIC.length - 1 ? SealError.E_VERSION : SealError.E_MAGIC);
            }
        }
    }

    /** Responder: checks a whole preamble in the order of 3.2. Returns the length of message 1. */
    int checkPreamble(byte[] preamble) throws SealException {
        final int length = (preamble[10] & 255) << 8 | preamble[11] & 255;

        checkMagic(preamble, 0, PREAMBLE);
        pattern = Pattern.of(preamble[8] & 255);
        refuseIf(!pattern.hybrid && settings.postQuantum == SealSettings.PostQuantum.REQUIRE, SealError.E_HYBRID_REQUIRED);
        refuseIf(pattern.hybrid && (settings.postQuantum == SealSettings.PostQuantum.OFF || kem == null),
                SealError.E_HYBRID_UNEXPECTED);
        refuseIf(!pattern.psk && !settings.psks.isEmpty(), SealError.E_PSK_REQUIRED);
        refuseIf(pattern.psk && settings.psks.isEmpty(), SealError.E_PSK_UNEXPECTED);
        refuseIf(!pattern.named && !settings.anonymousClients, SealError.E_ANONYMOUS);
        refuseIf(preamble[9] != 0, SealError.E_FLAGS);
        refuseIf(length < pattern.messageMin() || length > pattern.messageMax(), SealError.E_MESSAGE_LENGTH);
        identity = identityOf(preamble);
        server = identity.publicKey();
        return length;
    }

    private SecretKey identityOf(byte[] preamble) throws SealException {
        final byte[] id = Arrays.copyOfRange(preamble, KEY_ID_AT, PREAMBLE);

        for (SecretKey each : settings.identities) {
            if (Crypto.equal(Crypto.blake2b64(each.publicKey().shared(), preamble, KEY_ID_AT), id)) {
                return each;
            }
        }
        throw new SealException(SealError.E_KEY_ID);
    }

    static void refuseIf(boolean condition, SealError error) throws SealException {
        if (condition) {
            throw new SealException(error);
        }
    }

    /** Responder: reads message 1 behind its preamble. */
    void readFirst(byte[] preamble, byte[] message) throws SealException {
        read1(prologue(preamble), message);
    }

    /** Responder: reads message 1 of a re-handshake. */
    void readQuestion(byte[] message) throws SealException {
        read1(hash, message);
    }

    private void read1(byte[] prologue, byte[] message) throws SealException {
        final Payload payload;

        noise = new Noise(pattern, kem, prologue, server.shared());
        payload = Payload.read(noise.readMessage1(identity.shared(), message));
        settle(payload);
        if (pattern.psk) {
            psk = choosePsk(payload.pskIds);
        }
        if (pattern.named) {
            admit(PublicKey.of(noise.clientKey()));
        }
    }

    private SecretKey choosePsk(List<byte[]> ids) throws SealException {
        for (byte[] id : ids) {
            for (SecretKey each : settings.psks) {
                if (Crypto.equal(Payload.idOf(each), id)) {
                    return each;
                }
            }
        }
        throw new SealException(SealError.E_PSK_UNKNOWN);
    }

    private void admit(PublicKey key) throws SealException {
        refuseIf(clientKey != null && !clientKey.equals(key), SealError.E_PEER_CHANGED);
        clientName = settings.clients.get(key);
        refuseIf(clientName == null && !settings.anonymousClients, SealError.E_PEER_UNKNOWN);
        clientKey = key;
    }

    /** What {@link #answer()} has made: message 2 and the two stream keys. */
    static final class Answer {
        final byte[] message;
        final byte[][] keys;

        Answer(byte[] message, byte[][] keys) {
            this.message = message;
            this.keys = keys;
        }
    }

    /** Responder: message 2 of a handshake or a re-handshake. */
    Answer answer() throws SealException {
        final byte[] ephemeral = draw(Crypto.KEY);
        final byte[] message;

        header = draw(SecretStream.HEADER);
        message = noise.writeMessage2(ephemeral, pattern.hybrid ? draw(Crypto.KEY) : null,
                psk == null ? null : psk.shared(), payload());
        hash = noise.hash();
        return new Answer(message, noise.split());
    }

    /** The header of this side's stream that follows the exchange. */
    byte[] header() {
        return header;
    }

    /** The server's key that the client expects, or the one that the server was addressed with. */
    PublicKey serverKey() {
        return server;
    }

    void wipe() {
        if (noise != null) {
            noise.wipe();
        }
    }
}
