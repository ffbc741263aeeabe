import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import pfswrap.seal.PublicKey;
import pfswrap.seal.SealConnector;
import pfswrap.seal.SealException;
import pfswrap.seal.SealKeyException;
import pfswrap.seal.SealSettings;
import pfswrap.seal.SealedSocket;
import pfswrap.seal.SecretKey;
import pfswrap.seal.Transport;

/**
 * Gets a page over a sealed socket, for example from examples/test-server, and says what a user should do if that fails.
 * Usage: java Get HOST PORT KEY-FILE|- PINNED-KEY [NEXT-PINNED-KEY]
 */
public final class Get {
    private Get() {
    }

    public static void main(String[] arguments) {
        if (arguments.length < 4) {
            System.err.println("usage: java Get HOST PORT KEY-FILE|- PINNED-KEY [NEXT-PINNED-KEY]");
            System.exit(2);
        }
        try {
            get(arguments);
        } catch (SealException exception) {
            fail(exception.getMessage() + "\nwhat to do: " + exception.advice());
        } catch (IOException exception) { /* the network, or a file */
            fail(exception + "\nwhat to do: " + SealException.Advice.TRY_LATER);
        } catch (SealKeyException exception) {
            fail(exception.getMessage());
        }
    }

    private static void fail(String text) {
        System.err.println(text);
        System.exit(1);
    }

    private static void get(String[] arguments) throws IOException {
        final PublicKey[] pins = Arrays.stream(arguments).skip(3).map(PublicKey::of).toArray(PublicKey[]::new);
        final SealSettings.Builder settings = SealSettings.builder()
                .pinServer(pins[0], Arrays.copyOfRange(pins, 1, pins.length));
        final SealConnector connector;

        if (!arguments[2].equals("-")) { /* else the client is anonymous */
            settings.identity(SecretKey.read(Path.of(arguments[2])));
        }
        connector = new SealConnector(settings.build(), Transport.tcp());
        try (SealedSocket socket = connector.connect(arguments[0], Integer.parseInt(arguments[1]), 10_000)) {
            final String request = "GET / HTTP/1.1\r\nHost: " + arguments[0] + "\r\nConnection: close\r\n\r\n";

            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            socket.getInputStream().transferTo(System.out); /* its end is authenticated */
            System.err.println("the server's key: " + connector.workingPin());
        }
    }
}
