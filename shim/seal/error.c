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

const char *pfswrap_seal_error_text(int error)
{
    if (error == 0 || error == PFSWRAP_TUNNEL_STOPPED)
        return error == 0 ? "no error" : "the transport moved no bytes";
    switch ((enum pfswrap_seal_error)error) { /* without a default, so that the compiler reports a missing text */
    case PFSWRAP_SEAL_E_ARGUMENT:
        return "impossible argument";
    case PFSWRAP_SEAL_E_NOT_READY:
        return "the handshake is not complete";
    case PFSWRAP_SEAL_E_TAKE_FIRST:
        return "handshake bytes must be sent first";
    case PFSWRAP_SEAL_E_UNSENT:
        return "the rest of a frame must be sent first";
    case PFSWRAP_SEAL_E_CLOSED:
        return "closed for sending";
    case PFSWRAP_SEAL_E_NO_IDENTITY:
        return "no identity key";
    case PFSWRAP_SEAL_E_NO_PEER:
        return "no peer of that name has a key that is good today";
    case PFSWRAP_SEAL_E_KEY_EXPIRED:
        return "its own keys are older than max-key-age";
    case PFSWRAP_SEAL_E_NO_HYBRID:
        return "post-quantum is required, and this pfswrap was built without ML-KEM";
    case PFSWRAP_SEAL_E_CHANNEL:
        return "not a channel of this version";
    case PFSWRAP_SEAL_E_POISONED:
        return "poisoned: it is not known what was sent";
    case PFSWRAP_SEAL_E_MAGIC:
        return "the peer does not speak the seal protocol";
    case PFSWRAP_SEAL_E_VERSION:
        return "unknown version of the seal protocol";
    case PFSWRAP_SEAL_E_PATTERN:
        return "unknown handshake pattern";
    case PFSWRAP_SEAL_E_FLAGS:
        return "unknown flags";
    case PFSWRAP_SEAL_E_MESSAGE_LENGTH:
        return "handshake message too short or too long";
    case PFSWRAP_SEAL_E_KEY_ID:
        return "the client expects a server with another key";
    case PFSWRAP_SEAL_E_PSK_REQUIRED:
        return "the peer uses no preshared key, and one is required";
    case PFSWRAP_SEAL_E_PSK_UNEXPECTED:
        return "the peer uses a preshared key, and none is configured";
    case PFSWRAP_SEAL_E_PSK_UNKNOWN:
        return "no preshared key in common";
    case PFSWRAP_SEAL_E_ANONYMOUS:
        return "the client is anonymous, and only named clients are admitted";
    case PFSWRAP_SEAL_E_HANDSHAKE:
        return "the handshake does not authenticate: wrong key, service or binding, or tampered with";
    case PFSWRAP_SEAL_E_SMALL_ORDER:
        return "a public key of small order";
    case PFSWRAP_SEAL_E_PAYLOAD:
        return "malformed handshake payload";
    case PFSWRAP_SEAL_E_PEER_UNKNOWN:
        return "the client's key is not among the peers";
    case PFSWRAP_SEAL_E_PEER_EXPIRED:
        return "the peer's key has expired";
    case PFSWRAP_SEAL_E_PEER_REFUSED:
        return "the client is known, but not admitted here";
    case PFSWRAP_SEAL_E_PEER_CHANGED:
        return "the peer came back with another key";
    case PFSWRAP_SEAL_E_REHANDSHAKE:
        return "a re-handshake out of turn";
    case PFSWRAP_SEAL_E_OVERDUE:
        return "the keys are too old: the peer has not agreed on new ones";
    case PFSWRAP_SEAL_E_TOO_OFTEN:
        return "the client asks for new keys too often";
    case PFSWRAP_SEAL_E_FRAME_TYPE:
        return "unknown frame type";
    case PFSWRAP_SEAL_E_FRAME_LENGTH:
        return "impossible frame length";
    case PFSWRAP_SEAL_E_FRAME:
        return "a frame does not authenticate";
    case PFSWRAP_SEAL_E_TAG:
        return "unknown frame tag";
    case PFSWRAP_SEAL_E_REKEY:
        return "the peer rekeys less often than agreed";
    case PFSWRAP_SEAL_E_EMPTY:
        return "an empty frame that confirms nothing";
    case PFSWRAP_SEAL_E_FINAL:
        return "FINAL on a frame that carries something";
    case PFSWRAP_SEAL_E_AFTER_FINAL:
        return "bytes after the end of the stream";
    case PFSWRAP_SEAL_E_TRAILER:
        return "a trailing byte that is not zero";
    case PFSWRAP_SEAL_E_TRUNCATED:
        return "the connection ended without FINAL";
    case PFSWRAP_SEAL_E_HYBRID_REQUIRED:
        return "the client uses no post-quantum handshake, and one is required";
    case PFSWRAP_SEAL_E_HYBRID_UNEXPECTED:
        return "the client uses a post-quantum handshake, which is not allowed here";
    case PFSWRAP_SEAL_E_PADDING_REFUSED:
        return "this side pads, and the peer does not read padded frames";
    case PFSWRAP_SEAL_E_PADDING:
        return "a frame is not padded as the peer has announced";
    case PFSWRAP_SEAL_E_KEM_KEY:
        return "the client's ML-KEM key is not valid";
    case PFSWRAP_SEAL_E_AGENT:
        return "agent: the key agent does not answer, or refuses";
    }
    return "unknown error";
}

const char *pfswrap_seal_error_name(int error)
{
    if (error == 0)
        return "OK";
    if (error == PFSWRAP_TUNNEL_STOPPED)
        return "STOPPED";
    switch ((enum pfswrap_seal_error)error) { /* as above */
#define NAME(name)                                                                                                 \
    case PFSWRAP_SEAL_##name:                                                                                      \
        return #name;
        NAME(E_ARGUMENT)
        NAME(E_NOT_READY)
        NAME(E_TAKE_FIRST)
        NAME(E_UNSENT)
        NAME(E_CLOSED)
        NAME(E_NO_IDENTITY)
        NAME(E_NO_PEER)
        NAME(E_KEY_EXPIRED)
        NAME(E_NO_HYBRID)
        NAME(E_CHANNEL)
        NAME(E_POISONED)
        NAME(E_MAGIC)
        NAME(E_VERSION)
        NAME(E_PATTERN)
        NAME(E_FLAGS)
        NAME(E_MESSAGE_LENGTH)
        NAME(E_KEY_ID)
        NAME(E_PSK_REQUIRED)
        NAME(E_PSK_UNEXPECTED)
        NAME(E_PSK_UNKNOWN)
        NAME(E_ANONYMOUS)
        NAME(E_HANDSHAKE)
        NAME(E_SMALL_ORDER)
        NAME(E_PAYLOAD)
        NAME(E_PEER_UNKNOWN)
        NAME(E_PEER_EXPIRED)
        NAME(E_PEER_REFUSED)
        NAME(E_PEER_CHANGED)
        NAME(E_REHANDSHAKE)
        NAME(E_OVERDUE)
        NAME(E_TOO_OFTEN)
        NAME(E_FRAME_TYPE)
        NAME(E_FRAME_LENGTH)
        NAME(E_FRAME)
        NAME(E_TAG)
        NAME(E_REKEY)
        NAME(E_EMPTY)
        NAME(E_FINAL)
        NAME(E_AFTER_FINAL)
        NAME(E_TRAILER)
        NAME(E_TRUNCATED)
        NAME(E_HYBRID_REQUIRED)
        NAME(E_HYBRID_UNEXPECTED)
        NAME(E_KEM_KEY)
        NAME(E_PADDING_REFUSED)
        NAME(E_PADDING)
        NAME(E_AGENT)
#undef NAME
    }
    return "UNKNOWN";
}
