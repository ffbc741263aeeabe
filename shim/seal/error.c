/*
 * The errors of a channel in words, and their names, and the names of patterns. The audit log has these texts, and
 * docs/AUDIT.md explains some of them.
 */
#include <pfswrap/tunnel.h>

const char *pfswrap_seal_pattern_name(enum pfswrap_seal_pattern pattern)
{
    switch (pattern) {
    case PFSWRAP_SEAL_IK:
        return "IK";
    case PFSWRAP_SEAL_NK:
        return "NK";
    case PFSWRAP_SEAL_IKPSK2:
        return "IKpsk2";
    case PFSWRAP_SEAL_NKPSK2:
        return "NKpsk2";
    case PFSWRAP_SEAL_IKHFS:
        return "IKhfs";
    case PFSWRAP_SEAL_NKHFS:
        return "NKhfs";
    case PFSWRAP_SEAL_IKHFS_PSK2:
        return "IKhfs+psk2";
    case PFSWRAP_SEAL_NKHFS_PSK2:
        return "NKhfs+psk2";
    }
    return "unknown";
}

/* Each error and its text. The switch below has no default, so that the compiler reports an error without a text.
 */
#define ERRORS(X)                                                                                                  \
    X(E_ARGUMENT, "impossible argument")                                                                           \
    X(E_NOT_READY, "the handshake is not complete")                                                                \
    X(E_TAKE_FIRST, "handshake bytes must be sent first")                                                          \
    X(E_UNSENT, "the rest of a frame must be sent first")                                                          \
    X(E_CLOSED, "closed for sending")                                                                              \
    X(E_NO_IDENTITY, "no identity key")                                                                            \
    X(E_NO_PEER, "no peer of that name has a key that is good today")                                              \
    X(E_KEY_EXPIRED, "its own keys are older than max-key-age")                                                    \
    X(E_NO_HYBRID, "post-quantum is required, and this pfswrap was built without ML-KEM")                          \
    X(E_CHANNEL, "not a channel of this version")                                                                  \
    X(E_POISONED, "poisoned: it is not known what was sent")                                                       \
    X(E_MAGIC, "the peer does not speak the seal protocol")                                                        \
    X(E_VERSION, "unknown version of the seal protocol")                                                           \
    X(E_PATTERN, "unknown handshake pattern")                                                                      \
    X(E_FLAGS, "unknown flags")                                                                                    \
    X(E_MESSAGE_LENGTH, "handshake message too short or too long")                                                 \
    X(E_KEY_ID, "the client expects a server with another key")                                                    \
    X(E_PSK_REQUIRED, "the peer uses no preshared key, and one is required")                                       \
    X(E_PSK_UNEXPECTED, "the peer uses a preshared key, and none is configured")                                   \
    X(E_PSK_UNKNOWN, "no preshared key in common")                                                                 \
    X(E_ANONYMOUS, "the client is anonymous, and only named clients are admitted")                                 \
    X(E_HANDSHAKE, "the handshake does not authenticate: wrong key, service or binding, or tampered with")         \
    X(E_SMALL_ORDER, "a public key of small order")                                                                \
    X(E_PAYLOAD, "malformed handshake payload")                                                                    \
    X(E_PEER_UNKNOWN, "the client's key is not among the peers")                                                   \
    X(E_PEER_EXPIRED, "the peer's key has expired")                                                                \
    X(E_PEER_REFUSED, "the client is known, but not admitted here")                                                \
    X(E_PEER_CHANGED, "the peer came back with another key")                                                       \
    X(E_REHANDSHAKE, "a re-handshake out of turn")                                                                 \
    X(E_OVERDUE, "the keys are too old: the peer has not agreed on new ones")                                      \
    X(E_TOO_OFTEN, "the client asks for new keys too often")                                                       \
    X(E_FRAME_TYPE, "unknown frame type")                                                                          \
    X(E_FRAME_LENGTH, "impossible frame length")                                                                   \
    X(E_FRAME, "a frame does not authenticate")                                                                    \
    X(E_TAG, "unknown frame tag")                                                                                  \
    X(E_REKEY, "the peer rekeys less often than agreed")                                                           \
    X(E_EMPTY, "an empty frame that confirms nothing")                                                             \
    X(E_FINAL, "FINAL on a frame that carries something")                                                          \
    X(E_AFTER_FINAL, "bytes after the end of the stream")                                                          \
    X(E_TRAILER, "a trailing byte that is not zero")                                                               \
    X(E_TRUNCATED, "the connection ended without FINAL")                                                           \
    X(E_HYBRID_REQUIRED, "the client uses no post-quantum handshake, and one is required")                         \
    X(E_HYBRID_UNEXPECTED, "the client uses a post-quantum handshake, which is not allowed here")                  \
    X(E_PADDING_REFUSED, "this side pads, and the peer does not read padded frames")                               \
    X(E_PADDING, "a frame is not padded as the peer has announced")                                                \
    X(E_KEM_KEY, "the client's ML-KEM key is not valid")                                                           \
    X(E_AGENT, "agent: the key agent does not answer, or refuses")

const char *pfswrap_seal_error_text(int error)
{
    if (error == 0)
        return "no error";
    if (error == PFSWRAP_TUNNEL_STOPPED)
        return "the transport moved no bytes";
    switch ((enum pfswrap_seal_error)error) {
#define TEXT(name, text)                                                                                           \
    case PFSWRAP_SEAL_##name:                                                                                      \
        return text;
        ERRORS(TEXT)
#undef TEXT
    }
    return "unknown error";
}

const char *pfswrap_seal_error_name(int error)
{
    if (error == 0)
        return "OK";
    if (error == PFSWRAP_TUNNEL_STOPPED)
        return "STOPPED";
    switch ((enum pfswrap_seal_error)error) {
#define NAME(name, text)                                                                                           \
    case PFSWRAP_SEAL_##name:                                                                                      \
        return #name;
        ERRORS(NAME)
#undef NAME
    }
    return "UNKNOWN";
}
