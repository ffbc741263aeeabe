package pfswrap.seal;

import java.io.IOException;

/**
 * A sealed connection cannot begin or continue. The message has no secret and no data. {@link #advice()} is what an app should
 * do (docs/MOBILE.md, "What the user sees"). No answer to it is a connection without the seal.
 */
public class SealException extends IOException {
    private static final long serialVersionUID = 1;

    /** What an app should do. */
    public enum Advice {
        /** The network is slow or was interrupted: connect again after a while ({@link Backoff}). */
        TRY_LATER,
        /** No pinned key fits: this app is too old, or the network leads to another server. Offer an update of the app. */
        UPDATE_APP,
        /** The same, or the server does not admit this device's key: it does not say which. Enrol again, then as UPDATE_APP. */
        UPDATE_OR_ENROL,
        /** The answer is incomplete: repeat the request if that is safe. */
        REPEAT_REQUEST,
        /** Somebody else answers, or one side has a fault: report it, and do not try again in a loop. */
        REPORT,
    }

    private final SealError error;
    private final Advice advice;

    SealException(SealError error, String text, Advice advice) {
        super(error.name() + ": " + text);
        this.error = error;
        this.advice = advice;
    }

    SealException(SealError error) {
        this(error, error.text(), Advice.REPORT);
    }

    /** The name in docs/WIRE.md. */
    public SealError error() {
        return error;
    }

    /** What an app should do. */
    public Advice advice() {
        return advice;
    }

    /** The same error for a later call, with the stack of that call. */
    SealException again() {
        return new SealException(error, getMessage().substring(error.name().length() + 2), advice);
    }

    /** The server ended the connection during the handshake, or did not answer in time. */
    public static final class Refused extends SealException {
        private static final long serialVersionUID = 1;

        Refused(String text, Advice advice) {
            super(SealError.E_TRUNCATED, text, advice);
        }

        @Override
        SealException again() {
            return new Refused(getMessage().substring(error().name().length() + 2), advice());
        }
    }

    /** The connection ended without FINAL: what was received is not complete. */
    public static final class Truncated extends SealException {
        private static final long serialVersionUID = 1;

        Truncated() {
            super(SealError.E_TRUNCATED, SealError.E_TRUNCATED.text(), Advice.REPEAT_REQUEST);
        }

        @Override
        SealException again() {
            return new Truncated();
        }
    }
}
