package pfswrap.seal;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Computes the vectors of docs/vectors/ and compares each byte. They come on stdin as lines of words, since a JDK has no JSON:
 * {@code connection}, lines of {@code KEY VALUE}, {@code psk SERVER-HAS-IT HEX}, {@code step FROM KIND PLAINTEXT BYTES}, or
 * {@code refused} with its connection's keys, {@code first}, {@code then}, {@code ends}, {@code error}; each ends with {@code end}.
 * Spaces in words are underscores, and an empty word is a hyphen. Prints {@code N connections, N refused inputs}.
 */
final class VectorCheck {
    private static final long TIME = 1_800_000_000L;

    private final Map<String, String> values = new HashMap<>();
    private final List<String[]> steps = new ArrayList<>();
    private final List<SecretKey> clientPsks = new ArrayList<>();
    private final List<SecretKey> serverPsks = new ArrayList<>();
    private int count; /* the next random byte */

    private VectorCheck() {
    }

    public static void main(String[] arguments) throws IOException {
        final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int connections = 0;
        int refused = 0;

        for (String line = in.readLine(); line != null; line = in.readLine()) {
            final VectorCheck check = new VectorCheck();

            for (String next = in.readLine(); !next.equals("end"); next = in.readLine()) {
                check.take(next.split(" "));
            }
            if (line.equals("connection")) {
                check.connection();
                connections++;
            } else {
                check.refused();
                refused++;
            }
        }
        System.out.println(connections + " connections, " + refused + " refused inputs");
    }

    private void take(String[] words) {
        if (words[0].equals("step")) {
            steps.add(words);
        } else if (words[0].equals("psk")) {
            final SecretKey psk = SecretKey.of(bytes(words[2]));

            clientPsks.add(psk);
            if (words[1].equals("True")) {
                serverPsks.add(psk);
            }
        } else {
            values.put(words[0], words[1]);
        }
    }

    private static byte[] bytes(String hex) {
        final byte[] out = new byte[hex.equals("-") ? 0 : hex.length() / 2];

        for (int i = 0; i < out.length; i++) {
            out[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return out;
    }

    private void draw(byte[] out) {
        for (int i = 0; i < out.length; i++) {
            out[i] = (byte) count++;
        }
    }

    private int number(String name) {
        return Integer.parseInt(values.get(name));
    }

    private SealSettings settings(String side) {
        final boolean client = side.equals("client");
        final SecretKey own = SecretKey.of(bytes(values.get("client_secret")));
        final SealSettings.Builder builder = SealSettings.builder().fixed(() -> TIME, this::draw)
                .rekey(number(side + "_rekey")).padding(number(side + "_padding"))
                .service(new String(bytes(values.get("service")), StandardCharsets.UTF_8))
                .presharedKeys((client ? clientPsks : serverPsks).toArray(new SecretKey[0]));
        final boolean named = number("pattern") % 2 == 1;

        if (number("pattern") > 4) {
            builder.postQuantum(SealSettings.PostQuantum.REQUIRE);
        }
        if (!client) {
            builder.identity(SecretKey.of(bytes(values.get("server_secret"))));
            return named ? builder.admit("client", own.publicKey()).build() : builder.admitAnyone().build();
        }
        return named ? builder.identity(own).build() : builder.build();
    }

    private static void expect(Object what, byte[] found, byte[] wanted) {
        if (!Arrays.equals(found, wanted)) {
            throw new AssertionError(what + ": " + hex(found) + ", expected " + hex(wanted));
        }
    }

    private static String hex(byte[] bytes) {
        final StringBuilder text = new StringBuilder();

        for (byte each : bytes == null ? new byte[0] : bytes) {
            text.append(String.format("%02x", each));
        }
        return text.toString();
    }

    private void connection() throws SealException {
        final byte[] binding = bytes(values.get("binding"));
        final SealTunnel client = SealTunnel.client(settings("client"), SecretKey.of(bytes(values.get("server_secret"))).publicKey(),
                binding);
        final SealTunnel server = SealTunnel.server(settings("server"), binding);

        for (String[] step : steps) {
            final boolean fromClient = step[1].equals("client");
            final SealTunnel from = fromClient ? client : server;
            final SealTunnel to = fromClient ? server : client;
            final byte[] plaintext = bytes(step[3]);
            final byte[] wanted = bytes(step[4]);
            final String what = values.get("name") + ", " + step[2] + " of the " + step[1];

            if (step[2].equals("handshake_hash")) {
                expect(what, client.handshakeHash(), wanted);
                continue;
            }
            if (step[2].equals("data")) {
                from.write(plaintext, 0, plaintext.length);
            } else if (step[2].equals("FINAL")) {
                from.close();
            } else if (step[2].equals("re-handshake_1")) {
                from.renew();
            }
            deliver(what, from, to, wanted, step[2], plaintext);
        }
        expect(values.get("name") + ": the server's hash", server.handshakeHash(), client.handshakeHash());
    }

    private static void deliver(String what, SealTunnel from, SealTunnel to, byte[] wanted, String kind, byte[] plaintext)
            throws SealException {
        final byte[] buffer = new byte[SealTunnel.FRAME];

        expect(what, from.dataToSend(), wanted);
        to.receive(wanted, 0, wanted.length);
        if (!to.handshake()) {
            return;
        }
        if (kind.equals("data")) {
            expect(what, Arrays.copyOf(buffer, to.read(buffer, 0, buffer.length)), plaintext);
        }
        if (kind.equals("FINAL") && to.read(buffer, 0, 1) != SealTunnel.END) {
            throw new AssertionError(what + ": no end");
        }
        to.advance();
    }

    private void refused() throws SealException {
        final SealTunnel server = SealTunnel.server(settings("server"), bytes(values.get("binding")));
        final byte[] first = bytes(values.get("first"));
        String found = "no error";

        count = number("pattern") > 4 ? 128 : 64; /* what the client has drawn */
        try {
            server.receive(first, 0, first.length);
            if (values.get("ends").equals("True")) {
                server.receiveEnd();
            }
            server.handshake();
            if (values.containsKey("then")) {
                final byte[] then = bytes(values.get("then"));

                server.receive(then, 0, then.length);
                server.handshake();
                while (server.read(new byte[SealTunnel.FRAME], 0, SealTunnel.FRAME) > 0) {
                    continue;
                }
            }
        } catch (SealException exception) {
            found = exception.error().name();
        }
        if (!found.equals(values.get("error"))) {
            throw new AssertionError(values.get("what") + ": " + found + ", expected " + values.get("error"));
        }
    }
}
