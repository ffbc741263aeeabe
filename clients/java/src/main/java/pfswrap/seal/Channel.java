package pfswrap.seal;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** The state machine of {@link SealTunnel}: which message or frame may come when, and what it changes (docs/WIRE.md, 3.1). */
final class Channel {
    static final int DATA = 0;
    static final int HANDSHAKE_1 = 1;
    static final int HANDSHAKE_2 = 2;
    static final int PADDED = 3;

    private enum State {
        AWAIT_1, AWAIT_2, AWAIT_HEADER, AWAIT_CONFIRM, OPEN
    }

    final Exchange exchange;
    final Limits limits;
    final ReceiveBuffer in = new ReceiveBuffer();
    final ByteArrayOutputStream out = new ByteArrayOutputStream();
    final byte[] plaintext = new byte[SealTunnel.FRAME];
    int plainAt;
    int plainEnd;
    boolean renewing; /* initiator: type 1 was sent; responder: type 2 was sent */
    volatile int rehandshakes; /* another thread may ask */
    boolean finalReceived;
    boolean finalSent;
    private State state;
    private SecretStream push;
    private SecretStream pull;
    private byte[] nextKey; /* of the peer's stream, until its header comes */
    private boolean trailerDue;
    private boolean anythingReceived;
    private SealException failure;

    /** An initiator's message 1 is in {@link #out} then. */
    Channel(Exchange exchange) throws SealException {
        this.exchange = exchange;
        limits = new Limits(exchange.settings, exchange.initiator);
        state = exchange.initiator ? State.AWAIT_2 : State.AWAIT_1;
        if (exchange.initiator) {
            final byte[] first = exchange.first();

            out.write(first, 0, first.length);
        }
    }

    boolean isOpen() {
        return state == State.OPEN;
    }

    boolean hasFailed() {
        return failure != null;
    }

    void checkUsable() throws SealException {
        if (failure != null) {
            throw failure.again();
        }
    }

    SealException fail(SealException exception) {
        failure = exception;
        exchange.wipe();
        for (SecretStream stream : new SecretStream[] {push, pull}) {
            if (stream != null) {
                stream.wipe();
            }
        }
        Crypto.wipe(nextKey, plaintext);
        out.reset();
        plainAt = 0;
        plainEnd = 0;
        in.clear();
        return exception;
    }

    SealException ended() {
        if (!exchange.initiator || isOpen()) {
            return new SealException.Truncated();
        }
        return exchange.pattern.named
                ? new SealException.Refused("the server ended the connection during the handshake: it may have no seal at this"
                        + " port, not have the key that is pinned here, or not admit this client's key", SealException.Advice.UPDATE_OR_ENROL)
                : new SealException.Refused("the server ended the connection during the handshake: it may have no seal at this"
                        + " port, or not have the key that is pinned here", SealException.Advice.UPDATE_APP);
    }

    void checkLimits() throws SealException {
        if (!finalSent && !finalReceived) {
            try {
                limits.check();
            } catch (SealException exception) {
                throw fail(exception);
            }
        }
    }

    /** Begins a re-handshake if one is possible now. */
    boolean renew() throws SealException {
        final byte[] message;

        if (!exchange.initiator || !isOpen() || renewing || finalSent || finalReceived || !limits.mayRenew()) {
            return false;
        }
        message = exchange.question();
        renewing = true;
        limits.countRenewal();
        send(HANDSHAKE_1, message, 0, message.length, false);
        return true;
    }

    void sendFinal() {
        if (!finalSent) {
            send(DATA, new byte[0], 0, 0, true);
            finalSent = true;
            push.wipe();
        }
    }

    void renewIfDue() throws SealException {
        if (limits.due()) {
            renew();
        }
    }

    void send(int type, byte[] data, int at, int length, boolean isFinal) {
        final byte[] frame = push.frame(type, data, at, length, exchange.rekey, isFinal);

        out.write(frame, 0, frame.length);
    }

    /** Interprets one message or frame. False: more bytes are needed. */
    boolean step() throws SealException {
        try {
            switch (state) {
                case AWAIT_1:
                    return open1();
                case AWAIT_2:
                    return open2();
                case AWAIT_HEADER:
                    return openHeader();
                default:
                    return openFrame();
            }
        } catch (SealException exception) {
            throw fail(exception);
        } catch (RuntimeException exception) { /* such as an identity that was destroyed: what was read cannot be read again */
            fail(new SealException(SealError.E_CLOSED));
            throw exception;
        }
    }

    private boolean open1() throws SealException {
        final int available = in.available();
        final byte[] preamble;
        final Exchange.Answer answer;
        int length;

        Exchange.checkMagic(in.bytes, in.at, available);
        if (available < Exchange.PREAMBLE) {
            return false;
        }
        preamble = in.peek(Exchange.PREAMBLE);
        length = exchange.checkPreamble(preamble);
        if (available < Exchange.PREAMBLE + length) {
            return false;
        }
        in.take(Exchange.PREAMBLE);
        exchange.readFirst(preamble, in.take(length));
        answer = exchange.answer();
        length = answer.message.length;
        out.write(length >> 8);
        out.write(length);
        out.write(answer.message, 0, length);
        out.write(exchange.header(), 0, SecretStream.HEADER);
        push = new SecretStream(answer.keys[1], exchange.header());
        nextKey = answer.keys[0];
        Crypto.wipe(answer.keys[1]);
        state = State.AWAIT_HEADER;
        return true;
    }

    private boolean open2() throws SealException {
        final int available = in.available();
        final byte[][] keys;
        final int length;

        if (available < 2) {
            return false;
        }
        length = in.u16(0);
        if (length < exchange.pattern.messageMin() || length > exchange.pattern.messageMax()) {
            throw new SealException(SealError.E_MESSAGE_LENGTH, "an answer that is not the seal's: another server, or a port"
                    + " without it", SealException.Advice.REPORT);
        }
        if (available < 2 + length + SecretStream.HEADER) {
            return false;
        }
        in.take(2);
        keys = exchange.readAnswer(in.take(length));
        push = new SecretStream(keys[0], exchange.header());
        pull = new SecretStream(keys[1], in.take(SecretStream.HEADER));
        Crypto.wipe(keys);
        out.write(exchange.header(), 0, SecretStream.HEADER);
        send(DATA, new byte[0], 0, 0, false); /* the confirm */
        limits.start();
        state = State.OPEN;
        return true;
    }

    private boolean openHeader() {
        if (in.available() < SecretStream.HEADER) {
            return false;
        }
        pull = new SecretStream(nextKey, in.take(SecretStream.HEADER));
        Crypto.wipe(nextKey);
        limits.start();
        state = State.AWAIT_CONFIRM;
        return true;
    }

    private boolean openFrame() throws SealException {
        final int type;
        final int length;

        if (trailerDue && in.available() > 0) {
            Exchange.refuseIf(in.u8(0) != 0, SealError.E_TRAILER);
            in.at++;
            trailerDue = false;
        }
        if (finalReceived) {
            Exchange.refuseIf(in.available() > 0, SealError.E_AFTER_FINAL);
            return false;
        }
        if (in.available() < SecretStream.PREFIX) {
            return false;
        }
        type = in.u8(0);
        length = in.u16(1);
        FrameRules.check(exchange, type, length);
        if (in.available() < SecretStream.PREFIX + length) {
            return false;
        }
        if ((type == DATA || type == PADDED) && length > SecretStream.OVERHEAD) {
            checkLimits();
        }
        openComplete(type, length);
        return true;
    }

    private void openComplete(int type, int length) throws SealException {
        final boolean first = !anythingReceived;
        final int size = length - SecretStream.OVERHEAD;
        final boolean isFinal = pull.open(in.bytes, in.at, length, plaintext, exchange.rekey) == SecretStream.FINAL;

        in.at += SecretStream.PREFIX + length;
        trailerDue = true;
        Exchange.refuseIf(isFinal && (type != DATA || size > 0), SealError.E_FINAL);
        if (type == HANDSHAKE_1 || type == HANDSHAKE_2) {
            final byte[] content = Arrays.copyOf(plaintext, size);

            Exchange.refuseIf(state != State.OPEN, SealError.E_REHANDSHAKE);
            if (exchange.initiator) {
                openAnswer(content);
            } else if (type == HANDSHAKE_1) {
                openQuestion(content);
            } else {
                openSwitch(content);
            }
        } else if (isFinal) {
            finalReceived = true;
            renewing = false;
            pull.wipe();
        } else {
            Exchange.refuseIf(size == 0 && (!first || exchange.initiator), SealError.E_EMPTY);
            limits.count(size);
            plainAt = 0;
            plainEnd = size > 0 && exchange.peerPads ? Padding.remove(type == PADDED, plaintext, size) : size;
        }
        anythingReceived = true;
        state = State.OPEN;
        if (exchange.initiator && !finalReceived) {
            renewIfDue(); /* a program that only receives renews the keys, too */
        }
    }

    /** Responder: message 1. After FINAL was sent it cannot be answered, so it is ignored. */
    private void openQuestion(byte[] message) throws SealException {
        final Exchange.Answer answer;
        final byte[] content;

        Exchange.refuseIf(renewing, SealError.E_REHANDSHAKE);
        if (finalSent) {
            return;
        }
        Exchange.refuseIf(!limits.mayRenew(), SealError.E_TOO_OFTEN);
        limits.countRenewal();
        exchange.readQuestion(message);
        answer = exchange.answer();
        content = Crypto.concat(exchange.header(), answer.message);
        send(HANDSHAKE_2, content, 0, content.length, false);
        replacePush(answer.keys[1]);
        nextKey = answer.keys[0];
        renewing = true;
    }

    /** Initiator: a header and message 2. After FINAL was sent, only the other direction changes. */
    private void openAnswer(byte[] content) throws SealException {
        final byte[][] keys;

        Exchange.refuseIf(!renewing, SealError.E_REHANDSHAKE);
        Exchange.refuseIf(content.length < SecretStream.HEADER + exchange.pattern.messageMin(), SealError.E_FRAME_LENGTH);
        keys = exchange.readAnswer(Arrays.copyOfRange(content, SecretStream.HEADER, content.length));
        replacePull(keys[1], content);
        if (!finalSent) {
            send(HANDSHAKE_2, exchange.header(), 0, SecretStream.HEADER, false);
            replacePush(keys[0]);
        }
        Crypto.wipe(keys);
        renewed();
    }

    /** Responder: a header. */
    private void openSwitch(byte[] content) throws SealException {
        Exchange.refuseIf(!renewing, SealError.E_REHANDSHAKE);
        Exchange.refuseIf(content.length != SecretStream.HEADER, SealError.E_FRAME_LENGTH);
        replacePull(nextKey, content);
        Crypto.wipe(nextKey);
        renewed();
    }

    private void replacePush(byte[] key) {
        push.wipe();
        push = new SecretStream(key, exchange.header());
        Crypto.wipe(key);
    }

    private void replacePull(byte[] key, byte[] header) {
        pull.wipe();
        pull = new SecretStream(key, header);
    }

    private void renewed() {
        renewing = false;
        rehandshakes++;
        limits.start();
    }
}
