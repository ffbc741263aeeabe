package pfswrap.seal;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What the tests do with this package, in one JVM: each line of stdin is a scenario of words {@code NAME KEY=VALUE...}, and is
 * answered with one line, {@code ok KEY=VALUE...} or {@code error CLASS NAME ADVICE: TEXT}. A server prints {@code port N} before.
 */
final class Scenarios {
    private static final int TIMEOUT_MILLIS = 60_000;
    private static final ExecutorService THREADS = Executors.newCachedThreadPool();
    private static final Map<String, SealConnector> KEPT = new HashMap<>();

    private final Map<String, String> options = new HashMap<>();

    private Scenarios(String[] words) {
        for (String word : Arrays.copyOfRange(words, 1, words.length)) {
            options.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        }
    }

    public static void main(String[] arguments) throws IOException {
        final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;

            try {
                answer = "ok " + new Scenarios(line.split(" ")).run(line.split(" ")[0]);
            } catch (ExecutionException exception) {
                answer = describe(exception.getCause());
            } catch (Exception exception) {
                answer = describe(exception);
            }
            System.out.println(answer.replace('\n', ' '));
            System.out.flush();
        }
        THREADS.shutdownNow();
    }

    private static String describe(Throwable thrown) {
        final String name = thrown.getClass().getSimpleName();

        if (thrown instanceof SealException) {
            return "error " + name + " " + ((SealException) thrown).error() + " " + ((SealException) thrown).advice() + ": "
                    + thrown.getMessage();
        }
        return "error " + name + " - -: " + thrown.getMessage();
    }

    private String run(String name) throws Exception {
        switch (name) {
            case "echo":
                return echo(connect());
            case "serve":
                return serve();
            case "send":
                return send(connect());
            case "receive":
                return receive(connect());
            case "get":
                return get(connect());
            case "timeout":
                return timeout(connect());
            case "reconnect":
                return reconnect();
            case "key":
                return "public=" + SecretKey.read(Path.of(options.get("file"))).publicKey().toString();
            default:
                throw new IllegalArgumentException("no scenario " + name);
        }
    }

    private long number(String name, long otherwise) {
        return options.containsKey(name) ? Long.parseLong(options.get(name)) : otherwise;
    }

    private SealSettings settings() throws IOException {
        final SealSettings.Builder builder = SealSettings.builder().handshakeTimeout((int) number("handshake", TIMEOUT_MILLIS))
                .padding((int) number("padding", 0)).rekey(number("rekey", 1)).service(options.getOrDefault("service", ""))
                .renewAfter(3600, number("renew", 64L << 30));

        if (options.containsKey("identity")) {
            builder.identity(SecretKey.read(Path.of(options.get("identity"))));
        }
        if (options.containsKey("pins")) {
            final PublicKey[] pins = Arrays.stream(options.get("pins").split(",")).map(PublicKey::of).toArray(PublicKey[]::new);

            builder.pinServer(pins[0], Arrays.copyOfRange(pins, 1, pins.length));
        }
        if (options.containsKey("psk")) {
            builder.presharedKeys(SecretKey.read(Path.of(options.get("psk"))));
        }
        if (options.containsKey("hybrid")) {
            builder.postQuantum(SealSettings.PostQuantum.REQUIRE);
        }
        if (options.containsKey("client")) {
            builder.admit("client", PublicKey.of(options.get("client")));
        }
        return builder.build();
    }

    private SealConnector connector() throws IOException, GeneralSecurityException {
        final Transport transport = options.containsKey("ca") ? tls(options.get("ca")) : Transport.tcp();
        final SealConnector kept = KEPT.get(options.get("keep"));

        if (kept != null) {
            kept.replace(settings());
            return kept;
        }
        if (options.containsKey("keep")) {
            KEPT.put(options.get("keep"), new SealConnector(settings(), transport));
            return KEPT.get(options.get("keep"));
        }
        return new SealConnector(settings(), transport);
    }

    private static Transport tls(String authority) throws IOException, GeneralSecurityException {
        try {
            return (Transport) Class.forName("pfswrap.seal.BouncyTls").getDeclaredConstructor(String.class).newInstance(authority);
        } catch (ReflectiveOperationException exception) {
            throw new IOException("no TLS of Bouncy Castle: " + exception, exception);
        }
    }

    private SealedSocket connect() throws IOException, GeneralSecurityException {
        final SealConnector connector = connector();
        final SealedSocket socket = connector.connect(options.getOrDefault("host", "127.0.0.1"), (int) number("port", 0),
                TIMEOUT_MILLIS);

        socket.setSoTimeout(TIMEOUT_MILLIS);
        return socket;
    }

    private static byte[] data(int size) {
        final byte[] bytes = new byte[size];

        new java.util.Random(size).nextBytes(bytes);
        return bytes;
    }

    private static String state(SealedSocket socket) throws IOException {
        final SealTunnel tunnel = socket.tunnel();

        return "pattern=" + tunnel.pattern() + " peer=" + tunnel.peerKey() + " rehandshakes=" + tunnel.rehandshakes() + " pads="
                + tunnel.peerPads() + " name=" + tunnel.peerName();
    }

    private static void write(SealedSocket socket, byte[] data, int piece) throws IOException {
        final OutputStream out = socket.getOutputStream();

        for (int at = 0; at < data.length; at += piece) {
            out.write(data, at, Math.min(piece, data.length - at));
        }
    }

    /** Sends in one thread what comes back in the other. */
    private String echo(SealedSocket socket) throws Exception {
        final byte[] data = data((int) number("size", 100_000));
        final int piece = (int) number("piece", data.length);

        try (SealedSocket closing = socket) {
            final Future<?> sender = THREADS.submit(() -> {
                write(closing, data, piece);
                return null;
            });
            final byte[] back = closing.getInputStream().readNBytes(data.length);
            final String state;

            sender.get();
            if (!Arrays.equals(back, data)) {
                throw new IllegalStateException("other data came back, " + back.length + " bytes");
            }
            closing.shutdownOutput();
            state = state(closing);
            if (closing.getInputStream().read() != -1) {
                throw new IllegalStateException("data after the end");
            }
            return state;
        }
    }

    private String serve() throws Exception {
        final SealSettings settings = settings();
        long count = 0;

        try (SealedServerSocket server = new SealedServerSocket(settings, 0, InetAddress.getLoopbackAddress())) {
            System.out.println("port " + server.getLocalPort());
            System.out.flush();
            try (SealedSocket socket = server.accept()) {
                final byte[] buffer = new byte[65536];
                final InputStream in = socket.getInputStream();

                socket.setSoTimeout(TIMEOUT_MILLIS);
                for (int length = in.read(buffer); length >= 0; length = in.read(buffer)) {
                    socket.getOutputStream().write(buffer, 0, length);
                    count += length;
                }
                socket.shutdownOutput();
                return state(socket) + " bytes=" + count;
            }
        }
    }

    /** Only sends; a re-handshake is seen to without a read of the program. */
    private String send(SealedSocket socket) throws IOException, InterruptedException {
        try (SealedSocket closing = socket) {
            final byte[] data = data((int) number("size", 100_000));
            final long deadline = System.nanoTime() + TIMEOUT_MILLIS * 1_000_000L;
            final String state;

            write(closing, data, (int) number("piece", data.length));
            while (closing.tunnel().rehandshakes() == 0 && System.nanoTime() < deadline) {
                Thread.sleep(5);
            }
            state = state(closing);
            closing.shutdownOutput();
            while (closing.getInputStream().read() >= 0) {
                continue;
            }
            return state;
        }
    }

    private String receive(SealedSocket socket) throws Exception {
        try (SealedSocket closing = socket) {
            final MessageDigest digest = MessageDigest.getInstance("SHA-256");
            final byte[] buffer = new byte[65536];
            long count = 0;

            for (int length = closing.getInputStream().read(buffer); length >= 0; length = closing.getInputStream().read(buffer)) {
                digest.update(buffer, 0, length);
                count += length;
            }
            return state(closing) + " bytes=" + count + " sha256=" + hex(digest.digest());
        }
    }

    private static String hex(byte[] bytes) {
        final StringBuilder text = new StringBuilder();

        for (byte each : bytes) {
            text.append(String.format("%02x", each));
        }
        return text.toString();
    }

    /** A request of HTTP/1.1 and its answer, to the end that the server makes. */
    private String get(SealedSocket socket) throws Exception {
        try (SealedSocket closing = socket) {
            final byte[] request = ("GET " + options.get("path") + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII);
            final byte[] answer;
            final String text;
            final int body;

            closing.getOutputStream().write(request);
            answer = closing.getInputStream().readAllBytes();
            text = new String(answer, StandardCharsets.ISO_8859_1);
            body = text.indexOf("\r\n\r\n") + 4;
            return state(closing) + " status=" + text.substring(9, 12) + " bytes=" + (answer.length - body) + " sha256="
                    + hex(MessageDigest.getInstance("SHA-256").digest(Arrays.copyOfRange(answer, body, answer.length)));
        }
    }

    /** A time-out of a read does no harm to the connection. */
    private String timeout(SealedSocket socket) throws Exception {
        try (SealedSocket closing = socket) {
            closing.setSoTimeout(20);
            try {
                closing.getInputStream().read();
                throw new IllegalStateException("a byte came");
            } catch (SocketTimeoutException exception) {
                closing.setSoTimeout(TIMEOUT_MILLIS);
            }
            return echo(closing);
        }
    }

    private String reconnect() throws Exception {
        final long begin = System.nanoTime();

        try {
            final Socket socket = connector().reconnect("127.0.0.1", (int) number("port", 0), TIMEOUT_MILLIS, new Backoff(20, 80),
                    (int) number("attempts", 3));

            socket.close();
            return "connected";
        } catch (IOException exception) {
            final boolean waited = System.nanoTime() - begin >= 30_000_000L; /* at least 10 + 20 ms before the third attempt */

            throw new IOException((waited ? "waited, " : "at once, ") + describe(exception));
        }
    }
}
