/*
 * A peer of the seal protocol, written from docs/WIRE.md alone. The handshake is noise-c's (as WebAssembly), the stream
 * and the key ids libsodium.js's: nothing of pfswrap is in it. It speaks on stdin and stdout, which are one socket. An
 * initiator sends chunks, waits for each to come back, and closes; a responder echoes. At the end a line of JSON on stderr
 * says what was seen. noise-c has no psk2 patterns: those are python_peer.py's. With --hybrid=1 the handshake is
 * hybrid_noise.mjs's, which has them.
 */
import { createRequire } from 'node:module';
import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';

const require = createRequire(import.meta.url);
const memories = [];

/* noise-c gives no raw keys, and a secretstream wants them: remember the memory its code runs in. */
for (const name of ['instantiate', 'instantiateStreaming']) {
  const original = WebAssembly[name];
  if (original) {
    WebAssembly[name] = async (...args) => {
      const result = await original.apply(WebAssembly, args);
      const exported = (result.instance ?? result).exports;
      for (const value of [...Object.values(exported), ...Object.values(args[1]?.env ?? {}), ...Object.values(args[1]?.a ?? {})]) {
        if (value instanceof WebAssembly.Memory) memories.push(value);
      }
      return result;
    };
  }
}

const hybrid = process.argv.includes('--hybrid=1') ? await import('./hybrid_noise.mjs') : null;
const noise = hybrid ? null : await new Promise((resolve) => require('noise-c.wasm')(resolve));
const noiseMemories = [...memories];
const sodium = require('libsodium-wrappers');
await sodium.ready;

const MAGIC = Uint8Array.from([0xf5, 0x70, 0x66, 0x73, 0x77, 0x0d, 0x0a, 0x01]);
const IK = 1;
const NK = 2;
const [DATA, HANDSHAKE_1, HANDSHAKE_2, PADDED] = [0, 1, 2, 3];
const [TAG_MESSAGE, TAG_REKEY, TAG_FINAL] = [0, 2, 3];
const NAMES = { [IK]: 'Noise_IK_25519_ChaChaPoly_SHA256', [NK]: 'Noise_NK_25519_ChaChaPoly_SHA256' };

const concat = (...parts) => Uint8Array.from(Buffer.concat(parts.map((part) => Buffer.from(part))));
const equal = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;
const u16 = (n) => [n >> 8, n & 255];

/* The key of a split CipherState: noise-c's ChaCha state holds it behind its constant. Proved by a ciphertext. */
function rawKey(cipherState) {
  const constant = Buffer.from('expand 32-byte k');
  for (const memory of noiseMemories) {
    const heap = Buffer.from(memory.buffer);
    const at = heap.indexOf(constant, cipherState._state);
    if (at < 0 || at > cipherState._state + 512) continue;
    const key = Uint8Array.from(heap.subarray(at + 16, at + 48));
    const ours = sodium.crypto_aead_chacha20poly1305_ietf_encrypt('proof', null, null, new Uint8Array(12), key);
    if (equal(ours, cipherState.EncryptWithAd(new Uint8Array(0), Buffer.from('proof')))) return key;
  }
  throw new Error('the key of a CipherState was not found');
}

class Stream {
  constructor(key, header) {
    this.sinceRekey = 0;
    if (header) {
      this.state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key);
    } else {
      ({ state: this.state, header: this.header } = sodium.crypto_secretstream_xchacha20poly1305_init_push(key));
    }
  }

  seal(kind, plaintext, rekey, final = false) {
    const prefix = Uint8Array.from([kind, ...u16(plaintext.length + 17)]);
    let tag = TAG_MESSAGE;
    this.sinceRekey++;
    if (final) {
      tag = TAG_FINAL;
    } else if (this.sinceRekey >= rekey) {
      tag = TAG_REKEY;
      this.sinceRekey = 0;
    }
    return concat(prefix, sodium.crypto_secretstream_xchacha20poly1305_push(this.state, plaintext, prefix, tag), [0]);
  }

  open(prefix, ciphertext, rekey) {
    const opened = sodium.crypto_secretstream_xchacha20poly1305_pull(this.state, ciphertext, prefix);
    if (!opened) throw new Error('a frame does not authenticate');
    if (opened.tag === TAG_REKEY) {
      this.sinceRekey = 0;
    } else if (opened.tag === TAG_MESSAGE) {
      if (++this.sinceRekey >= rekey) throw new Error('the peer rekeys too late');
    } else if (opened.tag !== TAG_FINAL) {
      throw new Error('unknown tag');
    }
    return opened;
  }
}

class Peer {
  constructor(options) {
    this.initiator = options.role === 'initiator';
    this.secret = options.secret ? Uint8Array.from(Buffer.from(options.secret, 'base64')) : null;
    this.peer = options.peer ? Uint8Array.from(Buffer.from(options.peer, 'base64')) : null;
    this.service = Buffer.from(options.service ?? '');
    this.binding = Buffer.from(options.binding ?? '', 'hex');
    this.anonymous = options.anonymous === '1';
    this.psk = options.psk ? Uint8Array.from(Buffer.from(options.psk, 'base64')) : null;
    this.rekey = Number(options.rekey ?? 1);
    this.padding = Number(options.padding ?? 0); /* 0 off, 1 allow, 2 padme, else a block size */
    this.peerReadsPadding = this.peerPads = false;
    this.every = Number(options.every ?? 0);
    this.frames = this.rehandshakes = this.received = 0;
    this.digest = createHash('sha256');
    this.first = true;
  }

  read(length) {
    const buffer = Buffer.alloc(length);
    for (let at = 0; at < length;) {
      const n = readSync(0, buffer, at, length - at);
      if (n === 0) throw new Error('the connection ended without FINAL');
      at += n;
    }
    return Uint8Array.from(buffer);
  }

  write(bytes) {
    for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
  }

  start(prologue) {
    if (hybrid) {
      if (!hybrid.isHybrid(this.pattern)) throw new Error('not a hybrid pattern');
      this.handshake = new hybrid.HybridHandshake(this.pattern, this.initiator);
      this.handshake.Initialize(prologue, this.secret, this.initiator ? this.peer : null, this.psk);
      return;
    }
    const { NOISE_ROLE_INITIATOR, NOISE_ROLE_RESPONDER } = noise.constants;
    this.handshake = new noise.HandshakeState(NAMES[this.pattern], this.initiator ? NOISE_ROLE_INITIATOR : NOISE_ROLE_RESPONDER);
    const needsOwn = !this.initiator || this.pattern === IK;
    this.handshake.Initialize(prologue, needsOwn ? this.secret : null, this.initiator ? this.peer : null, null);
  }

  payload() {
    const told = this.padding > 0 && (this.initiator || this.peerReadsPadding) ? [3, 1, this.padding > 1 ? 1 : 0] : [];
    const own = Uint8Array.from([...told, 1, 4, this.rekey >>> 24, (this.rekey >> 16) & 255, (this.rekey >> 8) & 255, this.rekey & 255, 0x4d, 1, 9]);
    return this.psk && this.initiator ? concat(own, [2, 8], sodium.crypto_generichash(8, 'pfswrap psk id 1', this.psk)) : own;
  }

  readMessage(message) {
    let payload = this.handshake.ReadMessage(message, true);
    while (payload.length > 0) {
      const value = payload.subarray(2, 2 + payload[1]);
      if (payload[0] === 1) this.rekey = Math.min(this.rekey, Buffer.from(value).readUInt32BE());
      if (payload[0] === 3 && this.padding > 0) {
        this.peerReadsPadding = true;
        this.peerPads = value[0] === 1;
      }
      payload = payload.subarray(2 + payload[1]);
    }
  }

  keys() {
    this.hash = this.handshake.GetHandshakeHash();
    if (hybrid) return this.handshake.Split();
    const [send, receive] = this.handshake.Split();
    return [rawKey(send), rawKey(receive)];
  }

  prologue(preamble) {
    return concat(preamble, [this.service.length], this.service, [this.binding.length], this.binding);
  }

  connect() {
    this.pattern = (this.anonymous ? NK : IK) + (hybrid ? 4 : 0) + (this.psk ? 2 : 0);
    const overhead = hybrid ? hybrid.overhead1(this.pattern) : 32 + (this.anonymous ? 0 : 48) + 16;
    const length = overhead + this.payload().length;
    let preamble = concat(MAGIC, [this.pattern, 0, ...u16(length)], sodium.randombytes_buf(8));
    preamble = concat(preamble, keyId(preamble, this.peer));
    this.start(this.prologue(preamble));
    this.write(concat(preamble, this.handshake.WriteMessage(this.payload())));
    const [high, low] = this.read(2);
    this.readMessage(this.read(high * 256 + low));
    const [own, peer] = this.keys();
    this.push = new Stream(own);
    this.pull = new Stream(peer, this.read(24));
    this.write(concat(this.push.header, this.push.seal(DATA, new Uint8Array(0), this.rekey)));
  }

  accept() {
    const preamble = this.read(28);
    if (!equal(preamble.subarray(0, 8), MAGIC) || preamble[9] !== 0) throw new Error('not this protocol');
    this.pattern = preamble[8];
    const own = sodium.crypto_scalarmult_base(this.secret);
    if (!equal(preamble.subarray(20), keyId(preamble.subarray(0, 20), own))) throw new Error("another server's key");
    this.start(this.prologue(preamble));
    this.readMessage(this.read(preamble[10] * 256 + preamble[11]));
    if (this.pattern % 2 === IK && !equal(this.handshake.GetRemotePublicKey(), this.peer)) throw new Error('an unknown client');
    const message = this.handshake.WriteMessage(this.payload());
    const [ours, theirs] = this.keys();
    this.push = new Stream(ours);
    this.write(concat(u16(message.length), message, this.push.header));
    this.pull = new Stream(theirs, this.read(24));
  }

  send(data) {
    if (this.initiator && this.every && this.frames % this.every === this.every - 1 && !this.rehandshaking) {
      this.start(this.hash);
      this.write(this.push.seal(HANDSHAKE_1, this.handshake.WriteMessage(this.payload()), this.rekey));
      this.rehandshaking = true;
    }
    this.frames++;
    if (this.padding < 2) {
      this.write(this.push.seal(DATA, data, this.rekey));
      return;
    }
    if (!this.peerReadsPadding) throw new Error('the peer does not read padded frames');
    for (let at = 0; at < data.length; at += 16382) {
      const piece = data.subarray(at, at + 16382);
      const zeros = Math.min(16384, paddedLength(this.padding, piece.length + 2)) - piece.length - 2;
      this.write(this.push.seal(PADDED, concat(piece, new Uint8Array(zeros), u16(zeros)), this.rekey));
    }
  }

  /* The data of a padded frame. */
  unpad(message) {
    const zeros = message[message.length - 2] * 256 + message[message.length - 1];
    const end = message.length - 2 - zeros;
    if (end < 1 || message.subarray(end, message.length - 2).some((byte) => byte !== 0)) throw new Error('wrong padding');
    return message.subarray(0, end);
  }

  answer(message) {
    this.start(this.hash);
    this.readMessage(message);
    const reply = this.handshake.WriteMessage(this.payload());
    const [own, peer] = this.keys();
    const fresh = new Stream(own);
    this.write(this.push.seal(HANDSHAKE_2, concat(fresh.header, reply), this.rekey));
    this.push = fresh;
    this.nextKey = peer;
  }

  switchOver(content) {
    if (this.initiator) {
      this.readMessage(content.subarray(24));
      const [own, peer] = this.keys();
      this.pull = new Stream(peer, content.subarray(0, 24));
      const fresh = new Stream(own);
      this.write(this.push.seal(HANDSHAKE_2, fresh.header, this.rekey));
      this.push = fresh;
      this.rehandshaking = false;
    } else {
      if (content.length !== 24) throw new Error('a header is 24 bytes');
      this.pull = new Stream(this.nextKey, content);
    }
    this.rehandshakes++;
  }

  receive() {
    for (;;) {
      const prefix = this.read(3);
      const length = prefix[1] * 256 + prefix[2];
      if (prefix[0] > (this.peerPads ? PADDED : 2) || length < 17 || length > 16401) throw new Error('no such frame');
      const { message, tag } = this.pull.open(prefix, this.read(length), this.rekey);
      if (this.read(1)[0] !== 0) throw new Error('a trailing byte that is not zero');
      const first = this.first;
      this.first = false;
      if (prefix[0] === HANDSHAKE_1) {
        this.answer(message);
      } else if (prefix[0] === HANDSHAKE_2) {
        this.switchOver(message);
      } else if (tag === TAG_FINAL) {
        if (message.length > 0) throw new Error('FINAL is not empty');
        return null;
      } else if (message.length > 0) {
        if (this.peerPads !== (prefix[0] === PADDED)) throw new Error('data that is not padded as announced');
        const data = this.peerPads ? this.unpad(message) : message;
        this.digest.update(data);
        this.received += data.length;
        return data;
      } else if (!first || this.initiator) {
        throw new Error('an empty frame');
      }
    }
  }

  close() {
    this.write(this.push.seal(DATA, new Uint8Array(0), this.rekey, true));
  }
}

function paddedLength(padding, length) {
  if (padding > 2) return Math.ceil(length / padding) * padding;
  const exponent = 31 - Math.clz32(length);
  const kept = 32 - Math.clz32(exponent);
  const step = 2 ** Math.max(0, exponent - kept);
  return Math.ceil(length / step) * step;
}

function keyId(preamble, server) {
  return sodium.crypto_generichash(8, preamble, server);
}

function converse(peer, sizes) {
  if (!peer.initiator) {
    peer.accept();
    for (let data = peer.receive(); data !== null; data = peer.receive()) peer.send(data);
    peer.close();
    return;
  }
  peer.connect();
  for (const size of sizes) {
    const data = Uint8Array.from({ length: size }, (_, i) => (i + size) & 255);
    for (let at = 0; at < size; at += 16384) peer.send(data.subarray(at, at + 16384));
    const echo = [];
    for (let have = 0; have < size; have += echo.at(-1).length) {
      const piece = peer.receive();
      if (piece === null) throw new Error('the peer closed too early');
      echo.push(piece);
    }
    if (!equal(concat(...echo), data)) throw new Error('the echo is not what was sent');
  }
  peer.close();
  while (peer.receive() !== null);
}

const options = Object.fromEntries(process.argv.slice(2).map((argument) => {
  const at = argument.indexOf('=');
  return [argument.slice(2, at), argument.slice(at + 1)];
}));
const peer = new Peer(options);
try {
  converse(peer, (options.sizes ?? '').split(',').filter(Boolean).map(Number));
  const { pattern, rekey, rehandshakes, received, hash } = peer;
  process.stderr.write(`${JSON.stringify({ pattern, rekey, rehandshakes, bytes: received,
    sha256: peer.digest.digest('hex'), hash: sodium.to_hex(hash) })}\n`);
} catch (error) {
  process.stderr.write(`${JSON.stringify({ error: String(error.message ?? error) })}\n`);
  process.exitCode = 1;
}
