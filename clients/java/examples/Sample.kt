// How an app in Kotlin uses the package. On Android, call it from a background thread, and keep the identity in the key store.
import java.io.IOException
import pfswrap.seal.Backoff
import pfswrap.seal.PublicKey
import pfswrap.seal.SealConnector
import pfswrap.seal.SealException
import pfswrap.seal.SealSettings
import pfswrap.seal.SecretKey
import pfswrap.seal.Transport

/** What the screen shows. */
sealed class Answer
data class Text(val text: String) : Answer()
data class Problem(val advice: SealException.Advice, val details: String) : Answer()

class Server(private val host: String, private val port: Int, current: String, next: String, identity: SecretKey?) {
    private val connector: SealConnector
    private val backoff = Backoff(500, 60_000)

    init {
        val settings = SealSettings.builder().pinServer(PublicKey.of(current), PublicKey.of(next))
        if (identity != null) settings.identity(identity)
        connector = SealConnector(settings.build(), Transport.tcp())
    }

    /** After a rotation of this device's key: the next connection has the new one. */
    fun useIdentity(identity: SecretKey) =
        connector.replace(connector.settings().toBuilder().identity(identity).build())

    fun get(path: String): Answer = try {
        connector.reconnect(host, port, 10_000, backoff, 3).use { socket ->
            socket.getOutputStream().write("GET $path HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n".toByteArray())
            Text(String(socket.getInputStream().readBytes()).substringAfter("\r\n\r\n"))
        }
    } catch (exception: SealException) {
        Problem(exception.advice(), exception.message ?: "")
    } catch (exception: IOException) {
        Problem(SealException.Advice.TRY_LATER, exception.message ?: "")
    }
}

fun main(arguments: Array<String>) {
    val (host, port, current, next) = arguments
    when (val answer = Server(host, port.toInt(), current, next, null).get("/")) {
        is Text -> print(answer.text)
        is Problem -> println("${answer.advice}: ${answer.details}")
    }
}
