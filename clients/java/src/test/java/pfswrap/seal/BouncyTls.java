package pfswrap.seal;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import java.util.Vector;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.tls.AlertDescription;
import org.bouncycastle.tls.ChannelBinding;
import org.bouncycastle.tls.DefaultTlsClient;
import org.bouncycastle.tls.ProtocolName;
import org.bouncycastle.tls.ProtocolVersion;
import org.bouncycastle.tls.ServerName;
import org.bouncycastle.tls.ServerOnlyTlsAuthentication;
import org.bouncycastle.tls.TlsAuthentication;
import org.bouncycastle.tls.TlsClientProtocol;
import org.bouncycastle.tls.TlsFatalAlert;
import org.bouncycastle.tls.TlsServerCertificate;
import org.bouncycastle.tls.crypto.TlsCertificate;
import org.bouncycastle.tls.crypto.impl.bc.BcTlsCrypto;

/**
 * TLS 1.3 of Bouncy Castle as the transport of the tests. Only its low-level interface gives the exporter value, and only in
 * notifyHandshakeComplete(); its JSSE provider does not, although BCSSLConnection.getChannelBinding() knows "tls-exporter". The
 * server's DNS names are compared as they are, without wildcards: this is for tests.
 */
final class BouncyTls implements Transport {
    private final X509TrustManager trust;

    BouncyTls(String authority) throws IOException, GeneralSecurityException {
        final KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        final TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");

        store.load(null, null);
        try (InputStream in = new FileInputStream(authority)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        factory.init(store);
        trust = (X509TrustManager) factory.getTrustManagers()[0];
    }

    @Override
    public Socket connect(InetSocketAddress address, int timeoutMillis) throws IOException {
        final Socket plain = Transport.connectSocket(address, timeoutMillis);
        final Client client = new Client(address.getHostString());
        final TlsClientProtocol protocol = new TlsClientProtocol(plain.getInputStream(), plain.getOutputStream());

        try {
            protocol.connect(client);
            return new Tls(plain, protocol, client.binding);
        } catch (IOException exception) {
            plain.close();
            throw exception;
        }
    }

    @Override
    public byte[] binding(Socket socket) {
        return ((Tls) socket).binding;
    }

    private final class Client extends DefaultTlsClient {
        private final String host;
        private byte[] binding;

        Client(String host) {
            super(new BcTlsCrypto(new SecureRandom()));
            this.host = host;
        }

        @Override
        protected ProtocolVersion[] getSupportedVersions() {
            return ProtocolVersion.TLSv13.only();
        }

        @Override
        protected Vector<ServerName> getSNIServerNames() {
            return new Vector<>(List.of(new ServerName((short) 0, host.getBytes(java.nio.charset.StandardCharsets.US_ASCII))));
        }

        @Override
        protected Vector<ProtocolName> getProtocolNames() {
            return new Vector<>(List.of(ProtocolName.HTTP_1_1, ProtocolName.asUtf8Encoding("pfsw1")));
        }

        @Override
        public void notifyHandshakeComplete() throws IOException {
            super.notifyHandshakeComplete();
            binding = context.exportChannelBinding(ChannelBinding.tls_exporter);
        }

        @Override
        public TlsAuthentication getAuthentication() {
            return new ServerOnlyTlsAuthentication() {
                @Override
                public void notifyServerCertificate(TlsServerCertificate server) throws IOException {
                    try {
                        check(server.getCertificate().getCertificateList());
                    } catch (GeneralSecurityException exception) {
                        throw new TlsFatalAlert(AlertDescription.bad_certificate, exception);
                    }
                }
            };
        }

        private void check(TlsCertificate[] list) throws IOException, GeneralSecurityException {
            final CertificateFactory factory = CertificateFactory.getInstance("X.509");
            final X509Certificate[] chain = new X509Certificate[list.length];
            Collection<List<?>> names;

            for (int i = 0; i < list.length; i++) {
                chain[i] = (X509Certificate) factory
                        .generateCertificate(new java.io.ByteArrayInputStream(list[i].getEncoded()));
            }
            trust.checkServerTrusted(chain, "UNKNOWN");
            names = chain[0].getSubjectAlternativeNames();
            if (names == null || names.stream().noneMatch(name -> name.get(1).equals(host))) {
                throw new CertificateException("the certificate is not for " + host);
            }
        }
    }

    private static final class Tls extends Socket {
        private final Socket plain;
        private final TlsClientProtocol protocol;
        private final byte[] binding;

        Tls(Socket plain, TlsClientProtocol protocol, byte[] binding) {
            this.plain = plain;
            this.protocol = protocol;
            this.binding = binding;
        }

        @Override
        public InputStream getInputStream() {
            return protocol.getInputStream();
        }

        @Override
        public OutputStream getOutputStream() {
            return protocol.getOutputStream();
        }

        @Override
        public void setSoTimeout(int milliseconds) throws java.net.SocketException {
            plain.setSoTimeout(milliseconds);
        }

        @Override
        public int getSoTimeout() throws java.net.SocketException {
            return plain.getSoTimeout();
        }

        /** TLS stays open for the other direction. */
        @Override
        public void shutdownOutput() {
        }

        @Override
        public void close() throws IOException {
            try {
                protocol.close();
            } finally {
                plain.close();
            }
        }
    }
}
