package pfswrap.seal;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * One handshake of the Noise Protocol Framework, revision 34: IK and NK with 25519, ChaChaPoly and SHA256, with psk2 and with
 * hybrid forward secrecy (docs/WIRE.md, 1 and 1.2). Both roles. Each message is written or read once, in order.
 */
final class Noise {
    private static final byte[] NOTHING = new byte[0];

    final Pattern pattern;
    private final MlKem kem;
    private byte[] chainingKey;
    private byte[] hash;
    private byte[] key; /* of the CipherState; null before the first MixKey */
    private long counter;
    private byte[] ephemeral;
    private byte[] seed; /* of ML-KEM, the initiator's */
    private byte[] peerEphemeral;
    private byte[] peerKem;
    private byte[] own; /* static secret; not this object's to wipe */
    private byte[] peerStatic;

    Noise(Pattern pattern, MlKem kem, byte[] prologue, byte[] serverPublic) {
        final byte[] name = pattern.noiseName.getBytes(StandardCharsets.US_ASCII);

        this.pattern = pattern;
        this.kem = kem;
        hash = name.length <= Crypto.HASH ? Arrays.copyOf(name, Crypto.HASH) : Crypto.sha256(name);
        chainingKey = hash.clone();
        mixHash(prologue);
        mixHash(serverPublic);
    }

    private void mixHash(byte[] data) {
        hash = Crypto.sha256(hash, data);
    }

    private void mixKey(byte[] input) {
        final byte[][] out = Crypto.hkdf(chainingKey, input, 2);

        Crypto.wipe(chainingKey, key);
        chainingKey = out[0];
        key = out[1];
        counter = 0;
    }

    /** MixKey with a secret that is not used again. */
    private void mixSecret(byte[] secret) {
        mixKey(secret);
        Crypto.wipe(secret);
    }

    private void mixPsk(byte[] psk) {
        final byte[][] out = Crypto.hkdf(chainingKey, psk, 3);

        Crypto.wipe(chainingKey, key);
        chainingKey = out[0];
        mixHash(out[1]);
        Crypto.wipe(out[1]);
        key = out[2];
        counter = 0;
    }

    private byte[] encrypt(byte[] plaintext) {
        final byte[] ciphertext = Crypto.seal(key, counter++, hash, plaintext);

        mixHash(ciphertext);
        return ciphertext;
    }

    private byte[] decrypt(byte[] ciphertext) throws SealException {
        final byte[] plaintext = Crypto.open(key, counter++, hash, ciphertext);

        mixHash(ciphertext);
        return plaintext;
    }

    private void mixEphemeral(byte[] publicKey) {
        mixHash(publicKey);
        if (pattern.psk) {
            mixKey(publicKey);
        }
    }

    /** -> e, es, [e1,] [s, ss]. {@code identity} is the client's static secret, with named patterns. */
    byte[] writeMessage1(byte[] serverPublic, byte[] identity, byte[] newEphemeral, byte[] newSeed, byte[] payload)
            throws SealException {
        final byte[] e = Crypto.publicKey(newEphemeral);
        byte[] e1 = NOTHING;
        byte[] s = NOTHING;

        ephemeral = newEphemeral;
        seed = newSeed;
        own = identity;
        mixEphemeral(e);
        mixSecret(Crypto.agree(ephemeral, serverPublic));
        if (pattern.hybrid) {
            e1 = encrypt(kem.publicKey(seed));
        }
        if (pattern.named) {
            s = encrypt(Crypto.publicKey(identity));
            mixSecret(Crypto.agree(identity, serverPublic));
        }
        return Crypto.concat(e, e1, s, encrypt(payload));
    }

    /** The responder's side of it; returns the payload. */
    byte[] readMessage1(byte[] serverSecret, byte[] message) throws SealException {
        final int e1 = Crypto.KEY;
        final int s = e1 + (pattern.hybrid ? MlKem.PUBLIC + Crypto.TAG : 0);
        final int rest = s + (pattern.named ? Crypto.KEY + Crypto.TAG : 0);

        if (message.length < rest + Crypto.TAG) {
            throw new SealException(SealError.E_HANDSHAKE);
        }
        peerEphemeral = Arrays.copyOf(message, Crypto.KEY);
        mixEphemeral(peerEphemeral);
        mixSecret(Crypto.agree(serverSecret, peerEphemeral));
        if (pattern.hybrid) {
            peerKem = decrypt(Arrays.copyOfRange(message, e1, s));
        }
        if (pattern.named) {
            peerStatic = decrypt(Arrays.copyOfRange(message, s, rest));
            mixSecret(Crypto.agree(serverSecret, peerStatic));
        }
        return decrypt(Arrays.copyOfRange(message, rest, message.length));
    }

    /** <- e, ee, [ekem1,] [se,] [psk]. */
    byte[] writeMessage2(byte[] newEphemeral, byte[] random, byte[] psk, byte[] payload) throws SealException {
        final byte[] e = Crypto.publicKey(newEphemeral);
        byte[] ekem1 = NOTHING;

        ephemeral = newEphemeral;
        mixEphemeral(e);
        mixSecret(Crypto.agree(ephemeral, peerEphemeral));
        if (pattern.hybrid) {
            final byte[][] made;

            MlKem.check(peerKem);
            made = kem.encapsulate(peerKem, random);
            ekem1 = encrypt(made[0]);
            mixSecret(made[1]);
        }
        if (pattern.named) {
            mixSecret(Crypto.agree(ephemeral, peerStatic));
        }
        if (pattern.psk) {
            mixPsk(psk);
        }
        return Crypto.concat(e, ekem1, encrypt(payload));
    }

    /** The initiator's side of it; tries the psks that it offered, in their order. Returns the payload. */
    byte[] readMessage2(byte[] message, List<SecretKey> psks) throws SealException {
        final int rest = Crypto.KEY + (pattern.hybrid ? MlKem.CIPHERTEXT + Crypto.TAG : 0);
        final byte[] last;

        if (message.length < rest + Crypto.TAG) {
            throw new SealException(SealError.E_HANDSHAKE);
        }
        peerEphemeral = Arrays.copyOf(message, Crypto.KEY);
        mixEphemeral(peerEphemeral);
        mixSecret(Crypto.agree(ephemeral, peerEphemeral));
        if (pattern.hybrid) {
            mixSecret(kem.decapsulate(seed, decrypt(Arrays.copyOfRange(message, Crypto.KEY, rest))));
        }
        if (pattern.named) {
            mixSecret(Crypto.agree(own, peerEphemeral));
        }
        last = Arrays.copyOfRange(message, rest, message.length);
        return pattern.psk ? tryPsks(last, psks) : decrypt(last);
    }

    private byte[] tryPsks(byte[] ciphertext, List<SecretKey> psks) throws SealException {
        final byte[] savedKey = chainingKey.clone();
        final byte[] savedHash = hash;

        try {
            for (SecretKey psk : psks) {
                Crypto.wipe(chainingKey);
                chainingKey = savedKey.clone();
                hash = savedHash;
                mixPsk(psk.shared());
                try {
                    return decrypt(ciphertext);
                } catch (SealException exception) {
                    continue; /* the next one */
                }
            }
        } finally {
            Crypto.wipe(savedKey);
        }
        throw new SealException(SealError.E_HANDSHAKE);
    }

    /** The initiator's and the responder's stream key. Everything else is erased. */
    byte[][] split() {
        final byte[][] keys = Crypto.hkdf(chainingKey, NOTHING, 2);

        wipe();
        return keys;
    }

    /** The handshake hash; not secret. */
    byte[] hash() {
        return hash.clone();
    }

    /** The client's static public key, or null. */
    byte[] clientKey() {
        return peerStatic;
    }

    void wipe() {
        Crypto.wipe(chainingKey, key, ephemeral, seed);
    }
}
