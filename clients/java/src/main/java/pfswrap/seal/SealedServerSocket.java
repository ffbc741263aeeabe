package pfswrap.seal;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** Accepts sealed connections over TCP: a server for tests, and for programs in Java that talk to programs under pfswrap. */
public final class SealedServerSocket implements Closeable {
    private final ServerSocket socket;
    private volatile SealSettings settings;

    /** Listens at a port; 0 is a free one. */
    public SealedServerSocket(SealSettings settings, int port, InetAddress address) throws IOException {
        SealTunnel.server(settings, new byte[0]).free(); /* mistakes are seen now */
        this.settings = settings;
        socket = new ServerSocket(port, 0, address);
    }

    public int getLocalPort() {
        return socket.getLocalPort();
    }

    /** For new connections: other identities or clients. */
    public void replace(SealSettings newSettings) {
        settings = newSettings;
    }

    /** Does not wait for the handshake: the first read or write of the new socket does, or its startHandshake(). */
    public SealedSocket accept() throws IOException {
        final Socket accepted = socket.accept();

        try {
            final SealSettings now = settings;

            accepted.setTcpNoDelay(true);
            return new SealedSocket(accepted,
                    new SealConnection(accepted, SealTunnel.server(now, new byte[0]), now.handshakeMillis));
        } catch (IOException | RuntimeException exception) {
            accepted.close();
            throw exception;
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
