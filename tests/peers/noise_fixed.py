"""Noise handshakes of dissononce with fixed ephemeral keys, for connections that can be computed again byte for byte."""

from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.IK import IKHandshakePattern
from dissononce.processing.handshakepatterns.interactive.NK import NKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState
from dissononce.processing.modifiers.psk import PSKPatternModifier

IK, NK, IKPSK2, NKPSK2 = 1, 2, 3, 4


class FixedDH(X25519DH):
    """X25519 whose only new key pair is an argument."""

    def __init__(self, ephemeral):
        super().__init__()
        self.ephemeral = ephemeral

    def generate_keypair(self, privatekey=None):
        return super().generate_keypair(privatekey or PrivateKey(self.ephemeral))


def public_key(secret):
    return X25519DH().generate_keypair(PrivateKey(secret)).public.data


def side(pattern, initiator, prologue, ephemeral, own, peer=None, psk=None):
    """One side of a handshake. `own` and `ephemeral` are secret keys, `peer` is the responder's public key."""
    dh = FixedDH(ephemeral)
    state = HandshakeState(SymmetricState(CipherState(ChaChaPolyCipher()), SHA256Hash()), dh)
    noise = IKHandshakePattern() if pattern in (IK, IKPSK2) else NKHandshakePattern()
    if pattern in (IKPSK2, NKPSK2):
        noise = PSKPatternModifier(2).modify(noise)
    has_key = not initiator or pattern in (IK, IKPSK2)
    state.initialize(noise, initiator, prologue, s=X25519DH().generate_keypair(PrivateKey(own)) if has_key else None,
                     rs=dh.create_public(peer) if initiator else None, psks=[psk] if psk else None)
    return state


def write(state, payload):
    """(the message, the split keys or None)"""
    message = bytearray()
    states = state.write_message(payload, message)
    return bytes(message), states and (states[0]._key, states[1]._key)


def read(state, message):
    """(the payload, the split keys or None); an exception of dissononce or cryptography if it does not authenticate."""
    payload = bytearray()
    states = state.read_message(bytes(message), payload)
    return bytes(payload), states and (states[0]._key, states[1]._key)


def hash_of(state):
    return state.symmetricstate.get_handshake_hash()
