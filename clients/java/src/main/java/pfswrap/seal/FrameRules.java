package pfswrap.seal;

/** Which types and lengths of frames there are (docs/WIRE.md, 2.5): checked before the rest of a frame is waited for. */
final class FrameRules {
    private static final int TYPES = 4;
    private static final int PADDED = 3;

    private FrameRules() {
    }

    static void check(Exchange exchange, int type, int length) throws SealException {
        final int message = exchange.pattern.messageMax();
        final int[] most = {SealTunnel.FRAME, message, SecretStream.HEADER + message, SealTunnel.FRAME};
        final int least = type == PADDED ? SecretStream.OVERHEAD + Padding.TRAILER + 1 : SecretStream.OVERHEAD;

        Exchange.refuseIf(type >= TYPES, SealError.E_FRAME_TYPE);
        Exchange.refuseIf(type == PADDED && !exchange.peerPads, SealError.E_FRAME_TYPE);
        Exchange.refuseIf(length < least || length > most[type] + SecretStream.OVERHEAD, SealError.E_FRAME_LENGTH);
    }
}
