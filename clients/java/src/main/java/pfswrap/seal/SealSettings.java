package pfswrap.seal;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** Settings that connections share. They do not change; {@link #toBuilder()} makes other ones, for example with a new identity. */
public final class SealSettings {
    /** Whether handshakes are a hybrid of X25519 and ML-KEM-768. A client uses it unless it is OFF, and never falls back. */
    public enum PostQuantum {
        OFF, ALLOW, REQUIRE
    }

    /** For {@link Builder#padding}: this side neither pads nor reads padded frames. */
    public static final int PADDING_OFF = 0;
    /** The peer may pad; this side does not. */
    public static final int PADDING_ALLOW = 1;
    /** At most 12 % more, which leaves few different sizes. */
    public static final int PADDING_PADME = 2;

    final List<SecretKey> identities;
    final List<PublicKey> pins;
    final Map<PublicKey, String> clients;
    final boolean anonymousClients;
    final List<SecretKey> psks;
    final byte[] service;
    final long rekey;
    final int padding;
    final PostQuantum postQuantum;
    final long renewSeconds;
    final long renewBytes;
    final int handshakeMillis;
    final LongSupplier clock; /* Unix time in seconds */
    final Consumer<byte[]> random;
    private final Builder builder;

    private SealSettings(Builder from) {
        builder = from.copy();
        identities = Collections.unmodifiableList(builder.identities);
        pins = Collections.unmodifiableList(builder.pins);
        clients = Collections.unmodifiableMap(builder.clients);
        anonymousClients = builder.anonymousClients;
        psks = Collections.unmodifiableList(builder.psks);
        service = builder.service;
        rekey = builder.rekey;
        padding = builder.padding;
        postQuantum = builder.postQuantum;
        renewSeconds = builder.renewSeconds;
        renewBytes = builder.renewBytes;
        handshakeMillis = builder.handshakeMillis;
        clock = builder.clock;
        random = builder.random;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** A builder with these settings. */
    public Builder toBuilder() {
        return builder.copy();
    }

    /** Collects settings. A value that is not valid is an IllegalArgumentException at once. */
    public static final class Builder {
        private List<SecretKey> identities = new ArrayList<>();
        private List<PublicKey> pins = new ArrayList<>();
        private Map<PublicKey, String> clients = new LinkedHashMap<>();
        private boolean anonymousClients;
        private List<SecretKey> psks = new ArrayList<>();
        private byte[] service = new byte[0];
        private long rekey = 1;
        private int padding = PADDING_OFF;
        private PostQuantum postQuantum = PostQuantum.OFF;
        private long renewSeconds = 3600;
        private long renewBytes = 64L << 30;
        private int handshakeMillis = 10_000;
        private LongSupplier clock = () -> System.currentTimeMillis() / 1000;
        private Consumer<byte[]> random = new SecureRandom()::nextBytes;

        private Builder() {
        }

        private Builder copy() {
            final Builder copy = new Builder();

            copy.identities = new ArrayList<>(identities);
            copy.pins = new ArrayList<>(pins);
            copy.clients = new LinkedHashMap<>(clients);
            copy.anonymousClients = anonymousClients;
            copy.psks = new ArrayList<>(psks);
            copy.service = service;
            copy.rekey = rekey;
            copy.padding = padding;
            copy.postQuantum = postQuantum;
            copy.renewSeconds = renewSeconds;
            copy.renewBytes = renewBytes;
            copy.handshakeMillis = handshakeMillis;
            copy.clock = clock;
            copy.random = random;
            return copy;
        }

        /** A client's own identity. Without one, it is anonymous (NK). A server accepts all that it has. Replaces former ones. */
        public Builder identity(SecretKey... keys) {
            identities = new ArrayList<>(List.of(keys));
            return this;
        }

        /** A client's pinned keys of its server: the current one, then the next one. */
        public Builder pinServer(PublicKey current, PublicKey... next) {
            pins = new ArrayList<>(List.of(next));
            pins.add(0, current);
            return this;
        }

        /** A server: admits the client with this key, and knows it by this name. */
        public Builder admit(String name, PublicKey key) {
            clients.put(key, name);
            return this;
        }

        /** A server: admits every client, named or not. */
        public Builder admitAnyone() {
            anonymousClients = true;
            return this;
        }

        /** Preshared keys, best first, at most 16. With them, only psk patterns are used. Replaces former ones. */
        public Builder presharedKeys(SecretKey... keys) {
            check(keys.length <= 16, keys.length + " preshared keys, expected at most 16");
            psks = new ArrayList<>(List.of(keys));
            return this;
        }

        /** The service of the server's rule: up to 63 bytes, the same on both sides. */
        public Builder service(String name) {
            service = name.getBytes(StandardCharsets.UTF_8);
            check(service.length <= 63, "a service of " + service.length + " bytes, expected at most 63");
            return this;
        }

        /** The most frames between two rekeys, in both directions. The smaller one of both sides counts. */
        public Builder rekey(long frames) {
            check(frames >= 1 && frames <= 0xffffffffL, "a rekey interval of " + frames + ", expected 1 to 4294967295");
            rekey = frames;
            return this;
        }

        /** PADDING_OFF, PADDING_ALLOW, PADDING_PADME, or a block size: a power of 2 from 16 to 16,384. */
        public Builder padding(int setting) {
            check(setting >= 0 && setting <= PADDING_PADME
                    || setting >= 16 && setting <= SealTunnel.FRAME && Integer.bitCount(setting) == 1,
                    "padding " + setting + ", expected PADDING_OFF, PADDING_ALLOW, PADDING_PADME or a power of 2 from 16 to 16384");
            padding = setting;
            return this;
        }

        public Builder postQuantum(PostQuantum setting) {
            postQuantum = setting;
            return this;
        }

        /** When the client begins a re-handshake: the age of the keys, and the bytes in both directions. */
        public Builder renewAfter(long seconds, long bytes) {
            check(seconds >= 1 && seconds <= 3600, "keys of " + seconds + " seconds, expected 1 to 3600");
            check(bytes >= 1 && bytes <= 64L << 30, "keys for " + bytes + " bytes, expected 1 to 64 GiB");
            renewSeconds = seconds;
            renewBytes = bytes;
            return this;
        }

        /** How long a handshake may take, in milliseconds. */
        public Builder handshakeTimeout(int milliseconds) {
            check(milliseconds > 0, "a time-out of " + milliseconds + " ms, expected 1 or more");
            handshakeMillis = milliseconds;
            return this;
        }

        /** For tests: time and random bytes that are known. */
        Builder fixed(LongSupplier newClock, Consumer<byte[]> newRandom) {
            clock = newClock;
            random = newRandom;
            return this;
        }

        public SealSettings build() {
            return new SealSettings(this);
        }

        private static void check(boolean good, String text) {
            if (!good) {
                throw new IllegalArgumentException(text);
            }
        }
    }
}
