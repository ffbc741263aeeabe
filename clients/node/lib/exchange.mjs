/* The handshake and the re-handshakes of one connection: preambles, payloads, who is admitted, and what was agreed. */
import { timingSafeEqual } from 'node:crypto';
import { refuseIf } from './errors.mjs';
import { KEY, SecretKey, base64, publicBytes } from './keys.mjs';
import { KEM, Noise, PATTERNS, hasPostQuantum } from './noise.mjs';
import { PADDING_ALLOW, PADDING_OFF, pskId, readPayload, writePayload } from './payload.mjs';
import { HEADER, blake2b64 } from './stream.mjs';

export const PREAMBLE = 28;
const MAGIC = Uint8Array.of(0xf5, 0x70, 0x66, 0x73, 0x77, 0x0d, 0x0a, 0x01);
const KEY_ID_AT = 20;

const equal = (a, b) => a.length === b.length && timingSafeEqual(a, b);
const patternOf = (named, psk, hybrid) => Object.values(PATTERNS)
  .find((each) => each.named === named && each.psk === psk && each.hybrid === hybrid);

/* Responder: refuses a beginning that cannot become a preamble. */
export function checkMagic(bytes) {
  const at = MAGIC.findIndex((byte, i) => i < bytes.length && bytes[i] !== byte);
  refuseIf(at >= 0, at === MAGIC.length - 1 ? 'E_VERSION' : 'E_MAGIC');
}

export class Exchange {
  #binding;
  #identity;
  #noise;
  #tellsPadding = false;
  #psk; /* a responder's choice */

  constructor(settings, initiator, binding, server) {
    if (!(binding instanceof Uint8Array) || binding.length > 32) throw new RangeError('a binding that is not valid, expected at most 32 bytes');
    Object.assign(this, { settings, initiator, server, rekey: settings.rekey, peerPads: false, hash: null, clientName: null });
    this.clientKey = null; /* base64 */
    this.header = null; /* of this side's stream that follows the exchange */
    this.#binding = Uint8Array.from(binding);
    const hybrid = settings.postQuantum !== 'off';
    refuseIf(!hasPostQuantum && (initiator ? hybrid : settings.postQuantum === 'require'), 'E_NO_HYBRID');
    if (initiator) {
      [this.#identity] = settings.identities;
      this.pattern = patternOf(this.#identity !== undefined, settings.psks.length > 0, hybrid);
      this.#tellsPadding = settings.padding !== PADDING_OFF;
    } else {
      refuseIf(settings.identities.length === 0, 'E_NO_IDENTITY');
      this.pattern = null;
    }
  }

  get pads() {
    return this.settings.padding > PADDING_ALLOW;
  }

  #prologue(preamble) {
    const { service } = this.settings;
    return Buffer.concat([preamble, Uint8Array.of(service.length), service, Uint8Array.of(this.#binding.length), this.#binding]);
  }

  #payload() {
    const padding = this.#tellsPadding ? Number(this.pads) : undefined;
    return writePayload(this.rekey, padding, this.initiator && this.pattern.psk ? this.settings.psks : []);
  }

  /* Initiator: the preamble and message 1. */
  first() {
    const payload = this.#payload();
    const length = this.pattern.overhead1 + payload.length;
    const start = Buffer.concat([MAGIC, Uint8Array.of(this.pattern.number, 0, length >> 8, length & 255), this.settings.random(8)]);
    const preamble = Buffer.concat([start, blake2b64(this.server, start)]);
    return Buffer.concat([preamble, this.#write1(this.#prologue(preamble), payload)]);
  }

  /* Initiator: message 1 of a re-handshake. */
  question() {
    return this.#write1(this.hash, this.#payload());
  }

  #write1(prologue, payload) {
    const { random } = this.settings;
    const ephemeral = random(KEY);
    this.header = random(HEADER);
    this.#noise = new Noise(this.pattern, prologue, this.server);
    return this.#noise.writeMessage1(this.server, this.#identity && SecretKey.bytesOf(this.#identity), ephemeral,
      this.pattern.hybrid ? random(KEM.SEED) : null, payload);
  }

  /* Initiator: reads message 2. Returns the initiator's and the responder's stream key. */
  readAnswer(message) {
    this.#settle(readPayload(this.#noise.readMessage2(message, this.settings.psks)));
    this.hash = this.#noise.hash;
    return this.#noise.split();
  }

  /* The first handshake settles padding. */
  #settle(payload) {
    this.rekey = Math.min(this.rekey, payload.rekey);
    if (this.hash !== null) return;
    refuseIf(this.pads && !payload.readsPadding, 'E_PADDING_REFUSED');
    this.peerPads = payload.pads && this.settings.padding !== PADDING_OFF;
    if (!this.initiator) this.#tellsPadding = payload.readsPadding && this.settings.padding !== PADDING_OFF;
  }

  /* Responder: checks a whole preamble in the order of 3.2. Returns the length of message 1. */
  checkPreamble(preamble) {
    const { postQuantum, psks, anonymousClients } = this.settings;
    const length = preamble[10] << 8 | preamble[11];
    checkMagic(preamble);
    const pattern = PATTERNS[preamble[8]];
    refuseIf(pattern === undefined, 'E_PATTERN');
    refuseIf(!pattern.hybrid && postQuantum === 'require', 'E_HYBRID_REQUIRED');
    refuseIf(pattern.hybrid && (postQuantum === 'off' || !hasPostQuantum), 'E_HYBRID_UNEXPECTED');
    refuseIf(!pattern.psk && psks.length > 0, 'E_PSK_REQUIRED');
    refuseIf(pattern.psk && psks.length === 0, 'E_PSK_UNEXPECTED');
    refuseIf(!pattern.named && !anonymousClients, 'E_ANONYMOUS');
    refuseIf(preamble[9] !== 0, 'E_FLAGS');
    refuseIf(length < pattern.messageMin || length > pattern.messageMax, 'E_MESSAGE_LENGTH');
    const start = preamble.subarray(0, KEY_ID_AT);
    this.#identity = this.settings.identities
      .find((each) => equal(blake2b64(publicBytes(SecretKey.bytesOf(each)), start), preamble.subarray(KEY_ID_AT)));
    refuseIf(this.#identity === undefined, 'E_KEY_ID');
    this.pattern = pattern;
    this.server = publicBytes(SecretKey.bytesOf(this.#identity));
    return length;
  }

  /* Responder: reads message 1 behind its preamble. */
  readFirst(preamble, message) {
    this.#read1(this.#prologue(preamble), message);
  }

  /* Responder: reads message 1 of a re-handshake. */
  readQuestion(message) {
    this.#read1(this.hash, message);
  }

  #read1(prologue, message) {
    this.#noise = new Noise(this.pattern, prologue, this.server);
    const payload = readPayload(this.#noise.readMessage1(SecretKey.bytesOf(this.#identity), message));
    this.#settle(payload);
    if (this.pattern.psk) this.#choosePsk(payload.pskIds);
    if (this.pattern.named) this.#admit(base64(this.#noise.clientKey));
  }

  #choosePsk(ids) {
    this.#psk = ids.map((id) => this.settings.psks.find((psk) => equal(pskId(psk), id))).find((psk) => psk !== undefined);
    refuseIf(this.#psk === undefined, 'E_PSK_UNKNOWN');
  }

  #admit(key) {
    refuseIf(this.clientKey !== null && this.clientKey !== key, 'E_PEER_CHANGED');
    this.clientName = this.settings.clients.get(key) ?? null;
    refuseIf(this.clientName === null && !this.settings.anonymousClients, 'E_PEER_UNKNOWN');
    this.clientKey = key;
  }

  /* Responder: message 2 of a handshake or a re-handshake, and the two stream keys. */
  answer() {
    const { random } = this.settings;
    const ephemeral = random(KEY);
    this.header = random(HEADER);
    const message = this.#noise.writeMessage2(ephemeral, this.pattern.hybrid ? random(KEY) : null,
      this.#psk && SecretKey.bytesOf(this.#psk), this.#payload());
    this.hash = this.#noise.hash;
    return { message, keys: this.#noise.split() };
  }

  wipe() {
    this.#noise?.wipe();
  }
}
