package pfswrap.seal;

/** When the keys of a connection are to be renewed, and what happens if they are not (docs/WIRE.md, 2.11). */
final class Limits {
    private static final long OVERDUE_SECONDS = 86_400;
    private static final long OVERDUE_BYTES = 1L << 40;
    private static final long PAUSE_SECONDS = 3600;

    private final SealSettings settings;
    private final int most; /* re-handshakes in a row, and the seconds after which there may be one more */
    private final long step;
    private long keyedAt;
    private long volume;
    private boolean overdue;
    private long overdueAt;
    private long overdueFor;
    private long recent;
    private long recentAt;

    Limits(SealSettings settings, boolean initiator) {
        this.settings = settings;
        most = initiator ? 16 : 32;
        step = initiator ? 2 : 1;
    }

    private long now() {
        return settings.clock.getAsLong();
    }

    /** New keys are in use. */
    void start() {
        keyedAt = now();
        volume = 0;
        overdue = false;
        overdueFor = 0;
    }

    /** {@code bytes} of plaintext pass. */
    void count(long bytes) {
        volume += bytes;
    }

    boolean due() {
        final long now = now();

        return volume >= settings.renewBytes || now < keyedAt || now - keyedAt >= settings.renewSeconds;
    }

    /** Before a frame with data; E_OVERDUE. A pause counts as an hour at most. */
    void check() throws SealException {
        final long now = now();

        if (!due()) {
            return;
        }
        if (overdue) {
            overdueFor += Math.min(Math.max(now - overdueAt, 0), PAUSE_SECONDS);
        }
        overdue = true;
        overdueAt = now;
        if (overdueFor >= OVERDUE_SECONDS || volume - settings.renewBytes >= OVERDUE_BYTES) {
            throw new SealException(SealError.E_OVERDUE);
        }
    }

    private long recentNow() {
        return Math.max(0, recent - Math.max(0, now() - recentAt) / step);
    }

    /** Whether the rate allows one more re-handshake. */
    boolean mayRenew() {
        return recentNow() < most;
    }

    void countRenewal() {
        final long now = now();
        final long left = recentNow();

        recentAt = left == 0 || now < recentAt ? now : recentAt + (now - recentAt) / step * step;
        recent = left + 1;
    }
}
