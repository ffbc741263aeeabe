package pfswrap.seal;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.Arrays;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** Makes the connections that the seal runs over: {@link #tcp()}, {@link #tls}, or your own, such as one through a proxy. */
public interface Transport {
    /** A connected socket. {@code timeoutMillis} is for the connection; 0 waits for ever. */
    Socket connect(InetSocketAddress address, int timeoutMillis) throws IOException;

    /** The channel binding: the exporter value of a TLS connection, 32 bytes; empty if the transport has none. */
    byte[] binding(Socket socket) throws IOException;

    /** The exporter value of a TLS connection: label {@code EXPORTER-Channel-Binding}, empty context, 32 bytes (RFC 9266). */
    interface Exporter {
        byte[] export(SSLSocket socket) throws IOException;
    }

    /** Plain TCP: {@code layer = socket} in the server's policy. */
    static Transport tcp() {
        return new Transport() {
            @Override
            public Socket connect(InetSocketAddress address, int timeoutMillis) throws IOException {
                return connectSocket(address, timeoutMillis);
            }

            @Override
            public byte[] binding(Socket socket) {
                return new byte[0];
            }
        };
    }

    /**
     * TLS 1.3: {@code layer = tls} in the server's policy. The factory's trust manager verifies the chain, and the host name is
     * verified here. Which exporter to use: docs/MOBILE.md. {@code protocols} are the program's own ALPN names, if it has some.
     */
    static Transport tls(SSLSocketFactory factory, Exporter exporter, String... protocols) {
        return new Transport() {
            @Override
            public Socket connect(InetSocketAddress address, int timeoutMillis) throws IOException {
                final Socket plain = connectSocket(address, timeoutMillis);

                try {
                    return startTls(plain, address, timeoutMillis);
                } catch (IOException | RuntimeException exception) {
                    plain.close();
                    throw exception;
                }
            }

            private Socket startTls(Socket plain, InetSocketAddress address, int timeoutMillis) throws IOException {
                final SSLSocket tls = (SSLSocket) factory.createSocket(plain, address.getHostString(), address.getPort(), true);
                final SSLParameters parameters = tls.getSSLParameters();
                final String[] names = Arrays.copyOf(protocols, protocols.length + 1);

                names[protocols.length] = "pfsw1"; /* tells the server that this client seals */
                parameters.setProtocols(new String[] {"TLSv1.3"});
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                parameters.setApplicationProtocols(names);
                tls.setSSLParameters(parameters);
                tls.setSoTimeout(timeoutMillis);
                tls.startHandshake();
                tls.setSoTimeout(0);
                return tls;
            }

            @Override
            public byte[] binding(Socket socket) throws IOException {
                final byte[] value = exporter.export((SSLSocket) socket);

                if (value == null || value.length != 32) {
                    throw new SSLException("the TLS connection gives no exporter value of 32 bytes");
                }
                return value;
            }
        };
    }

    /** A TCP connection that sends small pieces at once: frames are whole. */
    static Socket connectSocket(InetSocketAddress address, int timeoutMillis) throws IOException {
        final Socket socket = new Socket();

        try {
            socket.setTcpNoDelay(true);
            socket.connect(address.isUnresolved() ? new InetSocketAddress(address.getHostString(), address.getPort()) : address,
                    timeoutMillis);
        } catch (IOException exception) {
            socket.close();
            throw exception;
        }
        return socket;
    }
}
