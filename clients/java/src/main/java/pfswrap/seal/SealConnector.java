package pfswrap.seal;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import javax.net.SocketFactory;

/**
 * Opens sealed connections to one server, whose keys are pinned in the settings. If the server ends the connection during the
 * handshake with the first key, the next key is tried on a new connection, once. The key that worked is the first one the next
 * time. A connection is never opened without the seal. For all threads.
 */
public final class SealConnector {
    private final Transport transport;
    private volatile SealSettings settings;
    private volatile PublicKey worked;

    public SealConnector(SealSettings settings, Transport transport) {
        this.transport = transport;
        replace(settings);
    }

    /** For new connections: another identity during a rotation, other pins. Open connections keep what they have. */
    public void replace(SealSettings newSettings) {
        if (newSettings.pins.isEmpty()) {
            throw new IllegalArgumentException("no pinned key of the server, expected pinServer() in the settings");
        }
        settings = newSettings;
    }

    /** The settings of new connections. */
    public SealSettings settings() {
        return settings;
    }

    /** The pinned key that worked last, to be kept over a restart of the app; null before a connection. */
    public PublicKey workingPin() {
        return worked;
    }

    /** Begins with this key, if it is one of the pinned keys. */
    public void preferPin(PublicKey key) {
        worked = key;
    }

    /** A connection whose server is authenticated. {@code timeoutMillis} is for the transport; 0 waits for ever. */
    public SealedSocket connect(String host, int port, int timeoutMillis) throws IOException {
        final SealedSocket socket = new SealedSocket(this);

        socket.connect(InetSocketAddress.createUnresolved(host, port), timeoutMillis);
        return socket;
    }

    /**
     * The same, again after each failure of the network and with a longer wait, at most {@code attempts} times. An error that
     * waiting does not repair is thrown at once: another key, a certificate, a client that is not admitted.
     */
    public SealedSocket reconnect(String host, int port, int timeoutMillis, Backoff backoff, int attempts)
            throws IOException, InterruptedException {
        for (int attempt = 1;; attempt++) {
            try {
                final SealedSocket socket = connect(host, port, timeoutMillis);

                backoff.reset();
                return socket;
            } catch (IOException exception) {
                if (attempt >= attempts || !isPassing(exception)) {
                    throw exception;
                }
                Thread.sleep(backoff.next());
            }
        }
    }

    /** Whether the same attempt may work later. */
    static boolean isPassing(IOException exception) {
        if (exception instanceof SealException) {
            return ((SealException) exception).advice() == SealException.Advice.TRY_LATER;
        }
        return !(exception instanceof javax.net.ssl.SSLException);
    }

    /** For HTTP clients that take one (docs/MOBILE.md): its sockets do everything in connect(). */
    public SocketFactory socketFactory() {
        return new Factory();
    }

    SealConnection open(InetSocketAddress address, int timeoutMillis) throws IOException {
        final SealSettings now = settings;
        final int first = Math.max(0, now.pins.indexOf(worked));

        for (int attempt = 0;; attempt++) {
            final PublicKey pin = now.pins.get((first + attempt) % now.pins.size());

            try {
                final SealConnection connection = openWith(now, pin, address, timeoutMillis);

                worked = pin;
                return connection;
            } catch (SealException.Refused exception) {
                if (exception.advice() == SealException.Advice.TRY_LATER || attempt + 1 >= now.pins.size()) {
                    throw exception;
                }
            }
        }
    }

    private SealConnection openWith(SealSettings now, PublicKey pin, InetSocketAddress address, int timeoutMillis)
            throws IOException {
        final Socket socket = transport.connect(address, timeoutMillis);

        try {
            final SealTunnel tunnel = SealTunnel.client(now, pin, transport.binding(socket));
            final SealConnection connection = new SealConnection(socket, tunnel, now.handshakeMillis);

            connection.handshake();
            return connection;
        } catch (IOException | RuntimeException exception) {
            socket.close();
            throw exception;
        }
    }

    private final class Factory extends SocketFactory {
        @Override
        public Socket createSocket() {
            return new SealedSocket(SealConnector.this);
        }

        @Override
        public Socket createSocket(String host, int port) throws IOException {
            return connect(host, port, 0);
        }

        @Override
        public Socket createSocket(String host, int port, InetAddress local, int localPort) throws IOException {
            return connect(host, port, 0);
        }

        @Override
        public Socket createSocket(InetAddress host, int port) throws IOException {
            final Socket socket = createSocket();

            socket.connect(new InetSocketAddress(host, port));
            return socket;
        }

        @Override
        public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) throws IOException {
            return createSocket(host, port);
        }
    }
}
