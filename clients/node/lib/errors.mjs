/* The errors of docs/WIRE.md, section 3, and what an app should do about them (docs/MOBILE.md). No text has a secret. */

export const TEXTS = Object.freeze({
  E_NO_IDENTITY: 'no identity key',
  E_NO_PEER: 'no pinned key of the server',
  E_NO_HYBRID: 'post-quantum is required, and the package @noble/post-quantum is not installed (it needs Node.js 20.19)',
  E_CLOSED: 'closed for sending',
  E_MAGIC: 'the peer does not speak the seal protocol',
  E_VERSION: 'unknown version of the seal protocol',
  E_PATTERN: 'unknown handshake pattern',
  E_FLAGS: 'unknown flags',
  E_MESSAGE_LENGTH: 'handshake message too short or too long',
  E_KEY_ID: 'the client expects a server with another key',
  E_PSK_REQUIRED: 'the peer uses no preshared key, and one is required',
  E_PSK_UNEXPECTED: 'the peer uses a preshared key, and none is configured',
  E_PSK_UNKNOWN: 'no preshared key in common',
  E_ANONYMOUS: 'the client is anonymous, and only named clients are admitted',
  E_HANDSHAKE: 'the handshake does not authenticate: wrong key, service or binding, or tampered with',
  E_SMALL_ORDER: 'a public key of small order',
  E_PAYLOAD: 'malformed handshake payload',
  E_PEER_UNKNOWN: "the client's key is not among the peers",
  E_PEER_CHANGED: 'the peer came back with another key',
  E_REHANDSHAKE: 'a re-handshake out of turn',
  E_OVERDUE: 'the keys are too old: the peer has not agreed on new ones',
  E_TOO_OFTEN: 'the client asks for new keys too often',
  E_FRAME_TYPE: 'unknown frame type',
  E_FRAME_LENGTH: 'impossible frame length',
  E_FRAME: 'a frame does not authenticate',
  E_TAG: 'unknown frame tag',
  E_REKEY: 'the peer rekeys less often than agreed',
  E_EMPTY: 'an empty frame that confirms nothing',
  E_FINAL: 'FINAL on a frame that carries something',
  E_AFTER_FINAL: 'bytes after the end of the stream',
  E_TRAILER: 'a trailing byte that is not zero',
  E_TRUNCATED: 'the connection ended without FINAL',
  E_HYBRID_REQUIRED: 'the client uses no post-quantum handshake, and one is required',
  E_HYBRID_UNEXPECTED: 'the client uses a post-quantum handshake, which is not allowed here',
  E_KEM_KEY: "the client's ML-KEM key is not valid",
  E_PADDING_REFUSED: 'this side pads, and the peer does not read padded frames',
  E_PADDING: 'a frame is not padded as the peer has announced',
});

/* A sealed connection cannot begin or continue. `code` is the name above; `advice` is what an app should do. */
export class SealError extends Error {
  constructor(code, text = TEXTS[code], advice = 'report', options = undefined) {
    super(`${code}: ${text}`, options);
    this.name = new.target.name;
    this.code = code;
    this.advice = advice;
  }
}

/* The server ended the connection during the handshake, or did not answer in time. */
export class SealRefused extends SealError {
  constructor(text, advice, options) {
    super('E_TRUNCATED', text, advice, options);
  }
}

/* The connection ended without FINAL: what was received is not complete. */
export class SealTruncated extends SealError {
  constructor(options) {
    super('E_TRUNCATED', TEXTS.E_TRUNCATED, 'repeat-request', options);
  }
}

/* A key, or a file with one, is not valid. */
export class SealKeyError extends TypeError {
  constructor(text) {
    super(text);
    this.name = 'SealKeyError';
  }
}

export function refuseIf(condition, code) {
  if (condition) throw new SealError(code);
}
