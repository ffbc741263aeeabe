package pfswrap.seal;

import java.util.concurrent.ThreadLocalRandom;

/** How long to wait before the next connection: twice as long after each failure, with a random part. Not for two threads. */
public final class Backoff {
    private final long least;
    private final long most;
    private long now;

    /** From {@code leastMillis} to {@code mostMillis}, for example 500 and 60,000. */
    public Backoff(long leastMillis, long mostMillis) {
        if (leastMillis < 1 || mostMillis < leastMillis) {
            throw new IllegalArgumentException("waits of " + leastMillis + " to " + mostMillis + " ms, expected 1 or more, in order");
        }
        least = leastMillis;
        most = mostMillis;
        now = leastMillis;
    }

    /** Milliseconds: between half of the present wait and all of it. */
    public long next() {
        final long wait = now;

        now = wait > most / 2 ? most : 2 * wait;
        return ThreadLocalRandom.current().nextLong((wait + 1) / 2, wait + 1);
    }

    /** A connection was made. */
    public void reset() {
        now = least;
    }
}
