"""The C library libpfswrap-seal by ctypes: its functions, structures and errors. Nothing else here knows C.

PFSWRAP_SEAL_LIBRARY in the environment names the file of the library, if it is not where the loader looks.
"""

import ctypes
import os
from ctypes import (POINTER, Structure, c_bool, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint8, c_uint32,
                    c_uint64, c_void_p)

SONAME = "libpfswrap-seal.so.1"
KEY_BYTES, NAME_BYTES, TEXT_BYTES = 32, 64, 45
END, STOPPED = 0, -100
NEVER = 2**63 - 1
TRUNCATED, TLS_RECORD = -49, 16384
POST_QUANTUM = {"off": 0, "allow": 1, "require": 2}
PADDING = {"off": 0, "allow": 1, "padme": 2}
BLOCKS = tuple(1 << bits for bits in range(4, 15))


class SealError(Exception):
    """A mistake of the caller, or the base of all errors here. `name` is the error's name in docs/WIRE.md."""

    def __init__(self, text, name=""):
        super().__init__(f"{text} ({name})" if name else text)
        self.name = name


class KeyFileError(SealError):
    """A key or a file of keys is not valid; the text says which file, which line and why."""


class SealConnectionError(SealError, ConnectionError):
    """The peer did something that ends the connection. Do not retry without the seal."""


class SealRefused(SealConnectionError):
    """The peer ended the connection during the handshake. A server that lacks the key that was expected does this."""


class SealTruncated(SealConnectionError):
    """The transport ended without FINAL: what was received is not complete."""


class Config(Structure):
    """struct pfswrap_seal_config."""

    _fields_ = [("keyring", c_void_p), ("service", c_char_p), ("names", POINTER(c_char_p)), ("name_count", c_size_t),
                ("anonymous", c_bool), ("rekey", c_uint32), ("transport_max", c_uint32), ("rehandshake_seconds", c_uint32),
                ("rehandshake_bytes", c_uint64), ("post_quantum", c_int),
                ("padding", c_uint32)]


class CInfo(Structure):
    """struct pfswrap_seal_info."""

    _fields_ = [("role", c_int), ("pattern", c_int), ("peer_name", c_char * NAME_BYTES), ("peer_key", c_uint8 * KEY_BYTES),
                ("own_key", c_uint8 * KEY_BYTES), ("psk_id", c_uint8 * 8), ("rekey", c_uint32), ("rehandshakes", c_uint32),
                ("handshake_hash", c_uint8 * 32), ("padding", c_uint32), ("peer_pads", c_bool)]


class KeysError(Structure):
    """struct pfswrap_keys_error."""

    _fields_ = [("text", c_char * 640)]


READ = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
WRITE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)


class Transport(Structure):
    """struct pfswrap_tunnel_transport."""

    _fields_ = [("read", READ), ("write", WRITE), ("context", c_void_p)]


_KEYS_ERROR = POINTER(KeysError)
_PROTOTYPES = {
    "pfswrap_keyring_new": (c_void_p,),
    "pfswrap_keyring_free": (None, c_void_p),
    "pfswrap_keyring_add_identity": (c_int, c_void_p, c_char_p),
    "pfswrap_keyring_add_psk": (c_int, c_void_p, c_char_p),
    "pfswrap_keyring_add_peer": (c_int, c_void_p, c_char_p, c_char_p, c_int64, _KEYS_ERROR),
    "pfswrap_keyring_load_identity": (c_int, c_void_p, c_char_p, _KEYS_ERROR),
    "pfswrap_keyring_load_psk": (c_int, c_void_p, c_char_p, _KEYS_ERROR),
    "pfswrap_keyring_load_peers": (c_int, c_void_p, c_char_p, _KEYS_ERROR),
    "pfswrap_keyring_count_peers": (c_size_t, c_void_p, c_char_p),
    "pfswrap_key_generate": (None, c_char_p),
    "pfswrap_key_derive_public": (None, c_char_p, c_char_p),
    "pfswrap_key_from_password": (c_int, c_char_p, c_char_p, c_size_t, c_char_p, c_char_p),
    "pfswrap_key_encode": (None, c_char_p, c_char_p),
    "pfswrap_key_decode": (c_int, c_char_p, c_char_p, c_size_t),
    "pfswrap_seal_has_post_quantum": (c_bool,),
    "pfswrap_seal_config_bytes": (c_size_t,),
    "pfswrap_seal_info_bytes": (c_size_t,),
    "pfswrap_seal_error_name": (c_char_p, c_int),
    "pfswrap_seal_error_text": (c_char_p, c_int),
    "pfswrap_seal_pattern_name": (c_char_p, c_int),
    "pfswrap_tunnel_new": (c_void_p, c_int, POINTER(Config), c_char_p, c_size_t, c_uint, POINTER(Transport), POINTER(c_int)),
    "pfswrap_tunnel_free": (None, c_void_p),
    "pfswrap_tunnel_handshake": (c_int, c_void_p),
    "pfswrap_tunnel_read": (c_int, c_void_p, c_void_p, c_size_t),
    "pfswrap_tunnel_peek": (c_int, c_void_p, c_void_p, c_size_t),
    "pfswrap_tunnel_pending": (c_size_t, c_void_p),
    "pfswrap_tunnel_write": (c_int, c_void_p, c_char_p, c_size_t),
    "pfswrap_tunnel_close": (c_int, c_void_p),
    "pfswrap_tunnel_poison": (None, c_void_p),
    "pfswrap_tunnel_describe": (c_int, c_void_p, POINTER(CInfo)),
}


def _load():
    file = os.environ.get("PFSWRAP_SEAL_LIBRARY", SONAME)
    try:
        library = ctypes.CDLL(file)
        for name, (result, *arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ImportError(f"pfswrap_seal: {file} cannot be used: {error}") from error
    for name, structure in ("config", Config), ("info", CInfo):
        found, known = getattr(library, f"pfswrap_seal_{name}_bytes")(), ctypes.sizeof(structure)
        if found != known:
            raise ImportError(f"pfswrap_seal: {file} has another struct pfswrap_seal_{name}: {found} bytes, expected {known}")
    return library


lib = _load()


def has_post_quantum():
    """Whether the library has ML-KEM-768, and so the hybrid patterns."""
    return lib.pfswrap_seal_has_post_quantum()


def error_from(code, in_handshake=False):
    """The exception for a negative return value of a tunnel."""
    name, text = lib.pfswrap_seal_error_name(code).decode(), lib.pfswrap_seal_error_text(code).decode()
    if code == TRUNCATED:
        if in_handshake:
            return SealRefused("the peer ended the connection during the handshake", name)
        return SealTruncated(text, name)
    return SealConnectionError(text, name) if code <= -10 else SealError(text, name)
