/*
 * One direction of a connection: libsodium's secretstream with the frames around it (docs/WIRE.md, 2.5 and 2.7). libsodium.js
 * keeps its state in WebAssembly memory, at the address that it returns; it is overwritten and freed when it is not used any more.
 */
import { createRequire } from 'node:module';
import { SealError, refuseIf } from './errors.mjs';

const sodium = createRequire(import.meta.url)('libsodium-wrappers');
await sodium.ready;

export const HEADER = 24;
export const PREFIX = 3; /* type and length, the additional data */
export const OVERHEAD = 17; /* of a ciphertext */
export const FRAME = 16384; /* the most plaintext */
export const FRAME_OVERHEAD = PREFIX + OVERHEAD + 1;
const STATE_BYTES = 52; /* key, nonce, padding: crypto_secretstream_xchacha20poly1305_statebytes() */
const [MESSAGE, REKEY, FINAL] = [0, 2, 3];

/* BLAKE2b with a digest of 8 bytes and a key. */
export const blake2b64 = (key, input) => sodium.crypto_generichash(8, input, key);
export const wipe = (...arrays) => arrays.forEach((array) => array?.fill(0));

/* Streams whose program has forgotten them. */
const forgotten = new FinalizationRegistry((address) => free(address));

function free(address) {
  sodium.libsodium.HEAPU8.fill(0, address, address + STATE_BYTES);
  sodium.libsodium._free(address);
}

export class SecretStream {
  #state;
  #sinceRekey = 0;

  /* A sender and a receiver begin in the same way, with the header that the sender has chosen. */
  constructor(key, header) {
    this.#state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(Uint8Array.from(header), key);
    forgotten.register(this, this.#state, this);
  }

  /* A whole frame, with its trailing zero byte. `rekey` is the agreed interval. */
  frame(type, plaintext, rekey, isFinal = false) {
    const length = plaintext.length + OVERHEAD;
    const frame = new Uint8Array(PREFIX + length + 1);
    let tag = MESSAGE;
    if (isFinal) {
      tag = FINAL;
    } else if (++this.#sinceRekey >= rekey) {
      tag = REKEY;
      this.#sinceRekey = 0;
    }
    frame.set([type, length >> 8, length & 255]);
    frame.set(sodium.crypto_secretstream_xchacha20poly1305_push(this.#state, plaintext, frame.slice(0, PREFIX), tag), PREFIX);
    return frame;
  }

  /* Opens the ciphertext of a frame. */
  open(prefix, ciphertext, rekey) {
    const opened = sodium.crypto_secretstream_xchacha20poly1305_pull(this.#state, ciphertext, prefix);
    if (!opened) throw new SealError('E_FRAME');
    if (opened.tag === REKEY) {
      this.#sinceRekey = 0;
    } else if (opened.tag === MESSAGE) {
      refuseIf(++this.#sinceRekey >= rekey, 'E_REKEY');
    } else {
      refuseIf(opened.tag !== FINAL, 'E_TAG');
    }
    return { plaintext: opened.message, isFinal: opened.tag === FINAL };
  }

  wipe() {
    if (this.#state === undefined) return;
    forgotten.unregister(this);
    free(this.#state);
    this.#state = undefined;
  }
}
