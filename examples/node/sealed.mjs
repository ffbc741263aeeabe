/*
 * The inner layer of pfswrap (layer = tls) for a program in JavaScript. connect() opens a TLS 1.3 connection and runs
 * the seal's handshake inside it. The exporter value binds the seal to that connection. connect() returns a stream to
 * use instead of the TLS socket. This file was written from docs/WIRE.md. noise-c (as WebAssembly) computes the
 * handshake, and libsodium.js the stream. It supports IK and NK, without preshared keys.
 */
import { createRequire } from 'node:module';
import { Duplex } from 'node:stream';
import tls from 'node:tls';

const require = createRequire(import.meta.url);

/* A secretstream needs raw keys. noise-c.wasm does not export them, so the code keeps its memory and reads them there. */
const memories = [];
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...args) => {
  const result = await instantiate.apply(WebAssembly, args);
  const exported = Object.values((result.instance ?? result).exports);
  const imported = Object.values(args[1] ?? {}).flatMap((module) => Object.values(module));
  memories.push(...[...exported, ...imported].filter((value) => value instanceof WebAssembly.Memory));
  return result;
};
const noise = await new Promise((resolve) => require('noise-c.wasm')(resolve));
WebAssembly.instantiate = instantiate;
const sodium = require('libsodium-wrappers');
await sodium.ready;

const MAGIC = Uint8Array.from([0xf5, 0x70, 0x66, 0x73, 0x77, 0x0d, 0x0a, 0x01]);
const PATTERNS = { IK: { number: 1, name: 'Noise_IK_25519_ChaChaPoly_SHA256' }, NK: { number: 2, name: 'Noise_NK_25519_ChaChaPoly_SHA256' } };
const [DATA, HANDSHAKE_1, HANDSHAKE_2] = [0, 1, 2];
const [TAG_MESSAGE, TAG_REKEY, TAG_FINAL] = [0, 2, 3];
const DATA_MAX = 16384 - 21; /* so that a frame fits into one TLS record */
const [KEY_SECONDS, KEY_BYTES] = [3600, 2 ** 36]; /* after this, both sides agree on new keys */

const bytes = (...parts) => Uint8Array.from(Buffer.concat(parts.map((part) => Buffer.from(part))));
const u16 = (n) => [n >> 8, n & 255];

/* In a split CipherState, the key follows ChaCha's constant. A test encryption proves that it is the key. */
function rawKey(cipherState) {
  for (const memory of memories) {
    const heap = Buffer.from(memory.buffer);
    const at = heap.indexOf('expand 32-byte k', cipherState._state);
    if (at < 0 || at > cipherState._state + 512) continue;
    const key = Uint8Array.from(heap.subarray(at + 16, at + 48));
    const expected = sodium.crypto_aead_chacha20poly1305_ietf_encrypt('proof', null, null, new Uint8Array(12), key);
    if (Buffer.compare(expected, cipherState.EncryptWithAd(new Uint8Array(0), Buffer.from('proof'))) === 0) return key;
  }
  throw new Error('the key of a CipherState was not found');
}

/* The sending direction: a secretstream that is rekeyed at every frame. */
class Sealer {
  constructor(key) {
    ({ state: this.state, header: this.header } = sodium.crypto_secretstream_xchacha20poly1305_init_push(key));
  }

  frame(kind, plaintext, final = false) {
    const prefix = Uint8Array.from([kind, ...u16(plaintext.length + 17)]);
    const tag = final ? TAG_FINAL : TAG_REKEY;
    return bytes(prefix, sodium.crypto_secretstream_xchacha20poly1305_push(this.state, plaintext, prefix, tag), [0]);
  }
}

class Opener {
  constructor(key, header) {
    this.state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key);
  }

  open(prefix, ciphertext) {
    const opened = sodium.crypto_secretstream_xchacha20poly1305_pull(this.state, ciphertext, prefix);
    if (!opened) throw new Error('a frame does not authenticate');
    if (opened.tag === TAG_MESSAGE) throw new Error('the server rekeys too late'); /* the interval is 1 */
    if (opened.tag !== TAG_REKEY && opened.tag !== TAG_FINAL) throw new Error('a tag that the protocol does not use');
    return { data: opened.message, final: opened.tag === TAG_FINAL };
  }
}

/* Collects received bytes, and returns them in the lengths that the caller asks for. */
class Reader {
  constructor(socket) {
    this.chunks = [];
    this.length = 0;
    this.waiting = null;
    socket.on('data', (chunk) => {
      this.chunks.push(chunk);
      this.length += chunk.length;
      this.wake();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, (reason) => {
        this.ended ??= reason instanceof Error ? reason : new Error('the connection ended without FINAL');
        this.wake();
      });
    }
  }

  wake() {
    if (!this.waiting || (this.length < this.waiting.length && !this.ended)) return;
    const { length, resolve, reject } = this.waiting;
    this.waiting = null;
    if (this.length < length) {
      reject(this.ended);
      return;
    }
    const all = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
    this.chunks = [all.subarray(length)];
    this.length = all.length - length;
    resolve(Uint8Array.from(all.subarray(0, length)));
  }

  take(length) {
    return new Promise((resolve, reject) => {
      this.waiting = { length, resolve, reject };
      this.wake();
    });
  }
}

class Sealed extends Duplex {
  constructor(socket, { server, secret, service = '' }) {
    super({ allowHalfOpen: false });
    Object.assign(this, { socket, server, secret, service, reader: new Reader(socket) });
    this.pattern = PATTERNS[secret ? 'IK' : 'NK'];
    this.volume = 0;
  }

  start(prologue) {
    this.noise = new noise.HandshakeState(this.pattern.name, noise.constants.NOISE_ROLE_INITIATOR);
    this.noise.Initialize(prologue, this.secret ?? null, this.server, null);
    return this.noise.WriteMessage(Uint8Array.from([1, 4, 0, 0, 0, 1])); /* rekey at every frame */
  }

  finish(message) {
    this.noise.ReadMessage(message, true);
    this.hash = this.noise.GetHandshakeHash();
    const [sending, receiving] = this.noise.Split().map(rawKey);
    this.keyedAt = Date.now();
    this.volume = 0;
    return [new Sealer(sending), receiving];
  }

  async handshake() {
    /* RFC 9266: a man in the middle has two TLS connections and cannot make this value the same on both. */
    const binding = this.socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
    const length = 32 + (this.secret ? 48 : 0) + 16 + 6;
    const start = bytes(MAGIC, [this.pattern.number, 0, ...u16(length)], sodium.randombytes_buf(8));
    const preamble = bytes(start, sodium.crypto_generichash(8, start, this.server));
    const service = Buffer.from(this.service);
    const message = this.start(bytes(preamble, [service.length], service, [binding.length], binding));
    this.socket.write(bytes(preamble, message));
    const [high, low] = await this.reader.take(2);
    const [sealer, key] = this.finish(await this.reader.take(high * 256 + low));
    this.sealer = sealer;
    this.opener = new Opener(key, await this.reader.take(24));
    /* The confirm, in its own record. Until it arrives, the server passes nothing to its program. */
    this.socket.write(bytes(sealer.header, sealer.frame(DATA, new Uint8Array(0))));
    this.receive().catch((error) => this.destroy(error));
  }

  renew() {
    const due = Date.now() - this.keyedAt > KEY_SECONDS * 1000 || this.volume > KEY_BYTES;
    if (!due || this.renewing || this.ended) return;
    this.renewing = true;
    this.socket.write(this.sealer.frame(HANDSHAKE_1, this.start(this.hash)));
  }

  switchOver(content) {
    if (!this.renewing) throw new Error('a re-handshake at the wrong time');
    const [sealer, key] = this.finish(content.subarray(24));
    this.opener = new Opener(key, content.subarray(0, 24));
    this.socket.write(this.sealer.frame(HANDSHAKE_2, sealer.header));
    this.sealer = sealer;
    this.renewing = false;
  }

  async receive() {
    for (;;) {
      const prefix = await this.reader.take(3);
      const length = prefix[1] * 256 + prefix[2];
      if (prefix[0] > HANDSHAKE_2 || length < 17 || length > 16401) throw new Error('a frame with a wrong type or length');
      const { data, final } = this.opener.open(prefix, await this.reader.take(length));
      if (prefix[0] === HANDSHAKE_2) {
        this.switchOver(data);
      } else if (prefix[0] !== DATA || (final !== (data.length === 0))) {
        throw new Error('a frame that the server must not send');
      } else if (final) {
        this.push(null);
        return;
      } else {
        this.volume += data.length;
        this.renew(); /* a program that only receives renews the keys, too */
        if (!this.push(data)) await new Promise((resolve) => { this.resume_ = resolve; });
      }
      if ((await this.reader.take(1))[0] !== 0) throw new Error('a trailing byte that is not zero');
    }
  }

  _read() {
    this.resume_?.();
    this.resume_ = null;
  }

  _write(chunk, _encoding, done) {
    this.renew();
    const frames = [];
    for (let at = 0; at < chunk.length; at += DATA_MAX) frames.push(this.sealer.frame(DATA, chunk.subarray(at, at + DATA_MAX)));
    this.volume += chunk.length;
    this.socket.write(bytes(...frames), done);
  }

  _final(done) {
    this.ended = true;
    this.socket.end(this.sealer.frame(DATA, new Uint8Array(0), true), done);
  }

  _destroy(error, done) {
    this.socket.destroy();
    done(error);
  }
}

/*
 * Connects, and returns a promise of the sealed stream. `options` are those of tls.connect.
 * - `server`: the server's public key (32 bytes). Build it into the program.
 * - `service`: the service of the server's rule, if the rule has one. Build it into the program, too.
 * - `secret`: this client's secret key (32 bytes). Without it, the client is anonymous.
 */
export function connect(options, { server, secret, service }) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...options,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [...(options.ALPNProtocols ?? ['http/1.1']), 'pfsw1'], /* tells the server that this client seals */
    });
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const sealed = new Sealed(socket, { server, secret, service });
      sealed.handshake().then(() => resolve(sealed), (error) => {
        socket.destroy();
        reject(error);
      });
    });
  });
}
