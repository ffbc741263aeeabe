package pfswrap.seal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;

/**
 * A sealed connection as a java.net.Socket. One thread may read while another one writes. {@code read()} returns -1 only at the
 * authenticated end; an end of the network is a {@link SealException.Truncated}. {@code close()} sends FINAL; if you have to know
 * that the peer has read everything, call {@code shutdownOutput()} and read to the end first.
 */
public final class SealedSocket extends Socket {
    private final SealConnector connector; /* null at a server */
    private volatile Socket transport;
    private volatile SealConnection connection;
    private volatile int timeout;
    private volatile boolean closed;
    private volatile boolean outputShut;

    SealedSocket(SealConnector connector) {
        this.connector = connector;
    }

    /** A server's: the handshake is that of the first read or write. */
    SealedSocket(Socket transport, SealConnection connection) {
        connector = null;
        this.transport = transport;
        this.connection = connection;
    }

    @Override
    public void connect(SocketAddress endpoint) throws IOException {
        connect(endpoint, 0);
    }

    /** Connects the transport, and authenticates the server. */
    @Override
    public void connect(SocketAddress endpoint, int timeoutMillis) throws IOException {
        if (!(endpoint instanceof InetSocketAddress)) {
            throw new IllegalArgumentException("an address of another kind, expected an InetSocketAddress");
        }
        if (connector == null || connection != null) {
            throw new SocketException("already connected");
        }
        connection = connector.open((InetSocketAddress) endpoint, timeoutMillis);
        transport = connection.transport();
        transport.setSoTimeout(timeout);
        if (closed) {
            connection.close();
            throw new SocketException("Socket closed");
        }
    }

    /** A server's handshake now, and not with the first read or write. */
    public void startHandshake() throws IOException {
        connected().handshake();
    }

    private SealConnection connected() throws SocketException {
        if (closed) {
            throw new SocketException("Socket is closed");
        }
        if (connection == null) {
            throw new SocketException("Socket is not connected");
        }
        return connection;
    }

    /** What was agreed on: the peer, the pattern, the handshake hash. Only to be asked, not to be driven. */
    public SealTunnel tunnel() throws SocketException {
        return connected().tunnel();
    }

    /** A client: begins a re-handshake now, if one is possible. They also begin by themselves (docs/WIRE.md, 2.9). */
    public boolean renew() throws IOException {
        return connected().renew();
    }

    @Override
    public InputStream getInputStream() throws IOException {
        final SealConnection now = connected();

        return new InputStream() {
            @Override
            public int read() throws IOException {
                final byte[] one = new byte[1];

                return now.read(one, 0, 1) < 0 ? -1 : one[0] & 255;
            }

            @Override
            public int read(byte[] buffer, int at, int length) throws IOException {
                return now.read(buffer, at, length);
            }

            @Override
            public int available() {
                return now.available();
            }

            @Override
            public void close() throws IOException {
                SealedSocket.this.close();
            }
        };
    }

    @Override
    public OutputStream getOutputStream() throws IOException {
        final SealConnection now = connected();

        return new OutputStream() {
            @Override
            public void write(int one) throws IOException {
                now.write(new byte[] {(byte) one}, 0, 1);
            }

            @Override
            public void write(byte[] data, int at, int length) throws IOException {
                now.write(data, at, length);
            }

            @Override
            public void close() throws IOException {
                SealedSocket.this.close();
            }
        };
    }

    /** FINAL. */
    @Override
    public void shutdownOutput() throws IOException {
        connected().finish();
        outputShut = true;
    }

    @Override
    public void shutdownInput() throws IOException {
        connected();
        transport.shutdownInput();
    }

    @Override
    public synchronized void close() throws IOException {
        if (!closed) {
            closed = true;
            if (connection != null) {
                connection.close();
            }
        }
    }

    @Override
    public void setSoTimeout(int milliseconds) throws SocketException {
        timeout = milliseconds;
        if (transport != null) {
            transport.setSoTimeout(milliseconds);
        }
    }

    @Override
    public int getSoTimeout() {
        return timeout;
    }

    @Override
    public boolean isConnected() {
        return connection != null;
    }

    @Override
    public boolean isBound() {
        return connection != null;
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public boolean isOutputShutdown() {
        return outputShut;
    }

    @Override
    public boolean isInputShutdown() {
        return transport != null && transport.isInputShutdown();
    }

    @Override
    public InetAddress getInetAddress() {
        return transport == null ? null : transport.getInetAddress();
    }

    @Override
    public InetAddress getLocalAddress() {
        return transport == null ? null : transport.getLocalAddress();
    }

    @Override
    public int getPort() {
        return transport == null ? 0 : transport.getPort();
    }

    @Override
    public int getLocalPort() {
        return transport == null ? -1 : transport.getLocalPort();
    }

    @Override
    public SocketAddress getRemoteSocketAddress() {
        return transport == null ? null : transport.getRemoteSocketAddress();
    }

    @Override
    public SocketAddress getLocalSocketAddress() {
        return transport == null ? null : transport.getLocalSocketAddress();
    }

    @Override
    public void setTcpNoDelay(boolean on) throws SocketException {
        if (transport != null) {
            transport.setTcpNoDelay(on);
        }
    }

    @Override
    public void setKeepAlive(boolean on) throws SocketException {
        if (transport != null) {
            transport.setKeepAlive(on);
        }
    }

    @Override
    public String toString() {
        return "SealedSocket[" + transport + "]";
    }
}
