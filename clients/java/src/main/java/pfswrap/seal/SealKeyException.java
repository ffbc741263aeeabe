package pfswrap.seal;

/** A key, or a file with one, is not valid. The message says where, and never what the key is. */
public final class SealKeyException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    SealKeyException(String message) {
        super(message);
    }
}
