package pfswrap.seal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.security.SecureRandom;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;

/** 32 secret bytes: an identity (X25519) or a preshared key. */
public final class SecretKey {
    private static final int FILE_MAX = 4096; /* bytes of a key file that are read */
    private static final Set<PosixFilePermission> OTHERS = EnumSet.of(PosixFilePermission.GROUP_READ,
            PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_READ, PosixFilePermission.OTHERS_WRITE);

    private final byte[] bytes;
    private boolean destroyed;

    private SecretKey(byte[] bytes) {
        this.bytes = bytes;
    }

    /** A new key from the system's random bytes. */
    public static SecretKey generate() {
        final byte[] bytes = new byte[Crypto.KEY];

        new SecureRandom().nextBytes(bytes);
        return new SecretKey(bytes);
    }

    /** From 32 bytes, which are copied: wipe the argument. */
    public static SecretKey of(byte[] bytes) {
        if (bytes.length != Crypto.KEY) {
            throw new SealKeyException("a secret key of " + bytes.length + " bytes, expected " + Crypto.KEY);
        }
        return new SecretKey(bytes.clone());
    }

    /** From a file of {@code pfswrap genkey} or {@code genpsk}: the first line is the key, lines with # are comments. */
    public static SecretKey read(Path file) throws IOException {
        final PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
        final byte[] content;

        if (view != null) { /* not the file store's, which has no name in a chroot */
            final Set<PosixFilePermission> mode = new HashSet<>(view.readAttributes().permissions());

            mode.retainAll(OTHERS);
            if (!mode.isEmpty()) {
                throw new SealKeyException(file + ": others can read or write it, expected mode 0600 or 0400");
            }
        }
        if (Files.size(file) > FILE_MAX) {
            throw new SealKeyException(file + ": expected a key of 44 characters, not a file of " + Files.size(file) + " bytes");
        }
        content = Files.readAllBytes(file);
        try {
            for (String line : new String(content, StandardCharsets.ISO_8859_1).split("\n")) {
                if (!line.isBlank() && !line.startsWith("#")) {
                    return new SecretKey(PublicKey.decode(line.trim(), file + ": a key"));
                }
            }
        } finally {
            Crypto.wipe(content);
        }
        throw new SealKeyException(file + ": no key, expected a line of 44 characters of base64");
    }

    /** The public key that belongs to it. */
    public PublicKey publicKey() {
        return PublicKey.of(Crypto.publicKey(shared()));
    }

    /** A copy, to be kept in a key store: wipe it when it is there. */
    public byte[] bytes() {
        return shared().clone();
    }

    /** The bytes themselves. */
    byte[] shared() {
        if (destroyed) {
            throw new IllegalStateException("the key was destroyed");
        }
        return bytes;
    }

    /** Overwrites the key. Settings that have it cannot be used any more. */
    public void destroy() {
        destroyed = true;
        Crypto.wipe(bytes);
    }

    /** Nothing of the key. */
    @Override
    public String toString() {
        return "SecretKey";
    }
}
