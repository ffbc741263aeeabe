"""Keys, and the settings that connections share. A Context is for the seal what ssl.SSLContext is for TLS."""

import ctypes
import os

from .library import (BLOCKS, KEY_BYTES, NEVER, PADDING, POST_QUANTUM, TEXT_BYTES, Config, KeyFileError, KeysError, SealError,
                      has_post_quantum, lib)


class _Key:
    """32 bytes, from bytes or from their base64 form."""

    def __init__(self, key):
        if isinstance(key, _Key):
            key = key.raw
        if isinstance(key, str):
            raw = ctypes.create_string_buffer(KEY_BYTES)
            text = key.strip().encode()
            if lib.pfswrap_key_decode(raw, text, len(text)) != 0:
                raise KeyFileError(f"a key of {len(text)} characters is not valid, expected 44 characters of base64")
            key = raw.raw
        if len(key) != KEY_BYTES:
            raise KeyFileError(f"a key has {len(key)} bytes, expected {KEY_BYTES}")
        self.raw = bytes(key)

    def _encoded(self):
        text = ctypes.create_string_buffer(TEXT_BYTES)
        lib.pfswrap_key_encode(text, self.raw)
        return text.value.decode()

    def __eq__(self, other):
        return type(self) is type(other) and self.raw == other.raw

    def __hash__(self):
        return hash(self.raw)


class PublicKey(_Key):
    """A public key, such as one that an app pins. str() is its base64 form."""

    def __str__(self):
        return self._encoded()

    def __repr__(self):
        return f"PublicKey('{self}')"


class SecretKey(_Key):
    """An identity. Its value does not appear in repr(); base64() is for storing it."""

    @classmethod
    def generate(cls):
        """A new key from the kernel's random numbers."""
        raw = ctypes.create_string_buffer(KEY_BYTES)
        lib.pfswrap_key_generate(raw)
        return cls(raw.raw)

    @classmethod
    def from_password(cls, password, user, server):
        """The key of a user with a password (Argon2id with 256 MiB: about a second). `server`: its PublicKey."""
        raw, text = ctypes.create_string_buffer(KEY_BYTES), password.encode() if isinstance(password, str) else password
        if lib.pfswrap_key_from_password(raw, text, len(text), user.encode(), PublicKey(server).raw) != 0:
            raise KeyFileError("the user's name is not valid, the password is empty, or there are no 256 MiB of memory")
        return cls(raw.raw)

    def public(self):
        """The public key that belongs to it."""
        raw = ctypes.create_string_buffer(KEY_BYTES)
        lib.pfswrap_key_derive_public(raw, self.raw)
        return PublicKey(raw.raw)

    def base64(self):
        """The secret, as it stands in a key file."""
        return self._encoded()

    def __repr__(self):
        return f"<SecretKey of {self.public()}>"


def _each(value):
    return value if isinstance(value, (list, tuple)) else [] if value is None else [value]


class Context:
    """Keys and settings. It does not change, so threads and connections may share it.

    identity   this side's SecretKey, or the path of its file, or a list of them. A client uses the first.
    peers      the path of a peers file, or {name: key or list of keys}: the keys that are pinned.
    names      the peers to connect to (client), or to admit (server; without any: all of `peers`).
    psk        a preshared key of 32 bytes or the path of its file, or a list of them.
    anonymous  client: it has no identity of its own. Server: it admits every client.
    service    a name that both sides must have in common, at most 63 bytes.
    post_quantum  "off", "allow" or "require": a client uses the hybrid patterns unless it is "off".
    padding    "off", "allow", "padme", or a power of 2 from 16 to 16,384: hides the sizes of what this side sends.
    rekey, rehandshake_seconds, rehandshake_bytes  as in struct pfswrap_seal_config; 0 is the default of the library.
    """

    def __init__(self, *, identity=None, peers=None, names=(), psk=None, anonymous=False, service=None, post_quantum="off",
                 padding="off", rekey=0, rehandshake_seconds=0, rehandshake_bytes=0):
        if isinstance(names, (str, bytes)):
            raise SealError(f"names is '{names}', expected a list of names")
        if post_quantum not in POST_QUANTUM:
            raise SealError(f"post_quantum is '{post_quantum}', expected one of: {', '.join(POST_QUANTUM)}")
        if post_quantum == "require" and not has_post_quantum():
            raise SealError("post_quantum is 'require', and this build of the library has no ML-KEM")
        if padding not in PADDING and padding not in BLOCKS:
            raise SealError(f"padding is '{padding}', expected one of: {', '.join(PADDING)}, or a power of 2 from 16 to 16384")
        self._arguments = {"identity": identity, "peers": peers, "names": tuple(names), "psk": psk, "anonymous": anonymous,
                           "service": service, "post_quantum": post_quantum, "padding": padding, "rekey": rekey,
                           "rehandshake_seconds": rehandshake_seconds, "rehandshake_bytes": rehandshake_bytes}
        self.names = tuple(names)
        self.candidate = 0  # of the peer's keys, the one that worked last
        self._keyring = lib.pfswrap_keyring_new()
        if not self._keyring:
            raise MemoryError("no memory for keys, or libsodium cannot be initialised")
        for key in _each(identity):
            self._add("identity", SecretKey, key)
        for key in _each(psk):
            self._add("psk", SecretKey, key)
        self._add_peers(peers)
        self._name_array = (ctypes.c_char_p * max(1, len(self.names)))(*(name.encode() for name in self.names))
        self.config = Config(keyring=self._keyring, service=service.encode() if service else None, names=self._name_array,
                             name_count=len(self.names), anonymous=anonymous, rekey=rekey,
                             rehandshake_seconds=rehandshake_seconds, rehandshake_bytes=rehandshake_bytes,
                             post_quantum=POST_QUANTUM[post_quantum], padding=PADDING.get(padding, padding))

    def reloaded(self):
        """A new Context from the same files, for new connections. Open ones keep the old one."""
        return Context(**self._arguments)

    def key_count(self):
        """How many keys the peers in `names` have."""
        return sum(lib.pfswrap_keyring_count_peers(self._keyring, name.encode()) for name in self.names)

    def _add(self, what, kind, key):
        if isinstance(key, (str, os.PathLike)):
            self._load(what, key)
        elif getattr(lib, f"pfswrap_keyring_add_{what}")(self._keyring, kind(key).raw) != 0:
            raise KeyFileError(f"an {what} is given twice, or there are more than 16")

    def _load(self, what, path):
        error = KeysError()
        if getattr(lib, f"pfswrap_keyring_load_{what}")(self._keyring, os.fsencode(path), ctypes.byref(error)) != 0:
            raise KeyFileError(error.text.decode(errors="replace"))

    def _add_peers(self, peers):
        if isinstance(peers, (str, os.PathLike)):
            self._load("peers", peers)
            return
        error = KeysError()
        for name, keys in (peers or {}).items():
            for key in _each(keys):
                if lib.pfswrap_keyring_add_peer(self._keyring, name.encode(), PublicKey(key).raw, NEVER,
                                                ctypes.byref(error)) != 0:
                    raise KeyFileError(error.text.decode(errors="replace"))

    def __del__(self):
        if getattr(self, "_keyring", None):
            lib.pfswrap_keyring_free(self._keyring)
            self._keyring = None
