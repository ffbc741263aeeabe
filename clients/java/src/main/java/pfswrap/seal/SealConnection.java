package pfswrap.seal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLSocket;

/**
 * A tunnel over a socket of the system or of TLS. One thread may read while another one writes. A reader never waits for the
 * transport to take bytes: what it must answer, such as a re-handshake, is written by a thread of {@link #HELPERS}. Otherwise two
 * peers that both have full buffers could wait for each other.
 */
final class SealConnection {
    private static final int LINGER_MILLIS = 5000; /* how long close() waits until FINAL is written */
    private static final ExecutorService HELPERS = Executors.newCachedThreadPool(task -> {
        final Thread thread = new Thread(task, "pfswrap-seal");

        thread.setDaemon(true);
        return thread;
    });

    private final Socket transport;
    private final SealTunnel tunnel;
    private final InputStream in;
    private final OutputStream out;
    private final int handshakeMillis;
    private final Object lock = new Object(); /* of the tunnel and of unsent */
    private final ByteArrayOutputStream unsent = new ByteArrayOutputStream();
    private final ReentrantLock reading = new ReentrantLock(); /* of in; taken before lock */
    private final ReentrantLock writing = new ReentrantLock(); /* of out; taken before lock */
    private final AtomicBoolean watching = new AtomicBoolean();
    private final byte[] received = new byte[SealTunnel.FRAME];
    private IOException broken; /* locked: why nothing can be sent */
    private IOException readFailure; /* locked: why the transport ended */
    private boolean finished; /* locked: FINAL is sealed */
    private volatile boolean closed;

    SealConnection(Socket transport, SealTunnel tunnel, int handshakeMillis) throws IOException {
        this.transport = transport;
        this.tunnel = tunnel;
        this.handshakeMillis = handshakeMillis;
        in = transport.getInputStream();
        out = transport.getOutputStream();
    }

    Socket transport() {
        return transport;
    }

    SealTunnel tunnel() {
        return tunnel;
    }

    /** Until the peer is authenticated, or the time of the settings has passed. */
    void handshake() throws IOException {
        final long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(handshakeMillis);
        final int timeout = transport.getSoTimeout();
        final boolean begun;

        synchronized (lock) {
            begun = tunnel.isOpen();
        }
        if (begun) {
            return;
        }
        reading.lock();
        try {
            while (!advanceHandshake()) {
                final long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());

                if (left <= 0) {
                    throw new SocketTimeoutException();
                }
                transport.setSoTimeout((int) left);
                receive();
            }
            transport.setSoTimeout(timeout);
        } catch (SocketTimeoutException exception) {
            throw new SealException.Refused("no handshake in " + handshakeMillis + " ms", SealException.Advice.TRY_LATER);
        } finally {
            reading.unlock();
        }
    }

    private boolean advanceHandshake() throws IOException {
        final boolean open;

        synchronized (lock) {
            try {
                open = tunnel.handshake();
            } catch (SealException exception) {
                throw withCause(exception);
            }
            collect();
        }
        flush();
        return open;
    }

    /** Locked. */
    private SealException withCause(SealException exception) {
        if (readFailure != null && exception.getCause() == null) {
            exception.initCause(readFailure);
        }
        return exception;
    }

    /** Locked: what the tunnel has made waits for flush(). */
    private boolean collect() {
        final byte[] bytes = tunnel.dataToSend();

        unsent.write(bytes, 0, bytes.length);
        return unsent.size() > 0;
    }

    /** Writes everything that waits, in its order. */
    private void flush() throws IOException {
        writing.lock();
        try {
            for (;;) {
                final byte[] bytes;

                synchronized (lock) {
                    bytes = unsent.toByteArray();
                    unsent.reset();
                    if (bytes.length > 0 && broken != null) {
                        throw new SocketException("the connection cannot send any more: " + broken.getMessage());
                    }
                }
                if (bytes.length == 0) {
                    return;
                }
                out.write(bytes);
                out.flush();
            }
        } catch (IOException exception) {
            synchronized (lock) {
                broken = exception;
            }
            throw exception;
        } finally {
            writing.unlock();
        }
    }

    private void flushLater() {
        final boolean waits;

        synchronized (lock) {
            waits = collect();
        }
        if (waits) {
            HELPERS.execute(() -> {
                try {
                    flush();
                } catch (IOException exception) { /* the next write() throws it */
                    return;
                }
            });
        }
    }

    /** Reads once from the transport. With the lock of reading. */
    private void receive() throws IOException {
        int count = -1;

        try {
            count = in.read(received);
        } catch (SocketTimeoutException exception) {
            throw exception;
        } catch (IOException exception) { /* a reset, or an end of TLS without an alert: what came before can still be read */
            synchronized (lock) {
                readFailure = exception;
            }
        }
        if (closed) {
            throw new SocketException("Socket closed");
        }
        synchronized (lock) {
            if (count < 0) {
                tunnel.receiveEnd();
            } else {
                tunnel.receive(received, 0, count);
            }
        }
    }

    /** As InputStream.read(): -1 is the authenticated end. */
    int read(byte[] buffer, int at, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        handshake();
        for (;;) {
            int count = take(buffer, at, length);

            if (count != 0) {
                return count;
            }
            lockReading();
            try {
                count = take(buffer, at, length); /* another thread may have read meanwhile */
                if (count != 0) {
                    return count;
                }
                receive();
            } finally {
                reading.unlock();
            }
        }
    }

    private int take(byte[] buffer, int at, int length) throws IOException {
        final int count;

        synchronized (lock) {
            if (closed) {
                throw new SocketException("Socket closed");
            }
            try {
                count = tunnel.read(buffer, at, length);
            } catch (SealException exception) {
                throw withCause(exception);
            }
        }
        flushLater();
        return count;
    }

    /** A thread that looks for re-handshakes may have it: the time-out of reads holds for the wait, too. */
    private void lockReading() throws IOException {
        final int timeout = transport.isClosed() ? 0 : transport.getSoTimeout();

        if (timeout == 0) {
            reading.lock();
            return;
        }
        try {
            if (!reading.tryLock(timeout, TimeUnit.MILLISECONDS)) {
                throw new SocketTimeoutException("Read timed out");
            }
        } catch (InterruptedException exception) {
            Thread.currentThread().interrupt();
            throw new SocketTimeoutException("interrupted");
        }
    }

    int available() {
        synchronized (lock) {
            return tunnel.pending();
        }
    }

    /** As OutputStream.write(). The transport has taken all of it. */
    void write(byte[] data, int at, int length) throws IOException {
        handshake();
        for (int done = 0; done < length;) {
            final int count = Math.min(length - done, SealTunnel.FRAME);

            synchronized (lock) {
                if (closed) {
                    throw new SocketException("Socket closed");
                }
                tunnel.write(data, at + done, count);
                collect();
            }
            flush();
            done += count;
        }
        if (awaitsPeer()) {
            watch();
        }
    }

    private boolean awaitsPeer() {
        synchronized (lock) {
            return tunnel.awaitsPeer() && tunnel.pending() == 0;
        }
    }

    /** A side that only writes looks for frames that renew keys, unless a thread reads anyway, or there is data to be read first. */
    private void watch() {
        if (!watching.compareAndSet(false, true)) {
            return;
        }
        HELPERS.execute(() -> {
            try {
                while (awaitsPeer() && watchOnce()) {
                    continue;
                }
            } catch (IOException exception) { /* the next read() or write() throws it */
                return;
            } finally {
                watching.set(false);
            }
        });
    }

    private boolean watchOnce() throws IOException {
        if (!reading.tryLock()) {
            return false;
        }
        try {
            if (!awaitsPeer()) {
                return false;
            }
            receive();
            synchronized (lock) {
                tunnel.advance();
            }
        } finally {
            reading.unlock();
        }
        flushLater();
        return true;
    }

    /** A client: begins a re-handshake, if one is possible now. */
    boolean renew() throws IOException {
        final boolean begun;

        handshake();
        synchronized (lock) {
            begun = tunnel.renew();
        }
        flushLater();
        return begun;
    }

    /** FINAL. On a socket of the system FIN follows; TLS stays open for the other direction (docs/MOBILE.md). */
    void finish() throws IOException {
        handshake();
        synchronized (lock) {
            if (!finished) {
                finished = true;
                tunnel.close();
                collect();
            }
        }
        flush();
        if (!(transport instanceof SSLSocket)) {
            transport.shutdownOutput();
        }
    }

    /** FINAL, if it can be sent in a while; then the end of the transport, and the keys are wiped. */
    void close() {
        final boolean says;

        synchronized (lock) {
            says = !closed && tunnel.isOpen() && !finished;
        }
        if (says) {
            final Future<?> done = HELPERS.submit(() -> {
                finish();
                return null;
            });

            try {
                done.get(LINGER_MILLIS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException exception) {
                Thread.currentThread().interrupt();
            } catch (ExecutionException | TimeoutException exception) { /* the peer sees a truncation */
                done.cancel(true);
            }
        }
        closed = true;
        try {
            transport.close();
        } catch (IOException exception) { /* TLS could not send its alert: the peer has gone, and FINAL was what counts */
            closed = true;
        } finally {
            synchronized (lock) {
                tunnel.free();
                unsent.reset();
            }
        }
    }
}
