/*
 * Computes docs/vectors/hybrid.json again from docs/WIRE.md, with hybrid_noise.mjs (node:crypto and @noble/post-quantum) and
 * libsodium.js's stream: every byte of every connection, and the error of every input that a responder refuses.
 * Usage: check_hybrid.mjs hybrid.json. Exits nonzero with the first difference.
 */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { HybridHandshake, hasPsk, overhead1, publicOf } from './hybrid_noise.mjs';

const sodium = createRequire(import.meta.url)('libsodium-wrappers');
await sodium.ready;
const MAGIC = Buffer.from('f5706673770d0a01', 'hex');
const [DATA, HANDSHAKE_1, HANDSHAKE_2] = [0, 1, 2];
const hex = (text) => Buffer.from(text, 'hex');
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const interval = (n) => Buffer.from([1, 4, 0, 0, n >> 8, n & 255]);

/* The random bytes of a connection, which count upwards from 0. */
class Counting {
  at = 0;

  take(count) { return Buffer.from(Array.from({ length: count }, () => this.at++ & 255)); }
}

class Sender {
  constructor(key, header, rekey) { /* a state for opening is one for sealing, with a header of one's own */
    this.state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(header, key);
    Object.assign(this, { rekey, since: 0 });
  }

  frame(kind, plaintext, final = false) {
    const tag = final ? 3 : ++this.since >= this.rekey ? 2 : 0;
    if (tag === 2) this.since = 0;
    const prefix = Buffer.concat([Buffer.from([kind]), u16(plaintext.length + 17)]);
    return Buffer.concat([prefix, sodium.crypto_secretstream_xchacha20poly1305_push(this.state, plaintext, prefix, tag), Buffer.alloc(1)]);
  }
}

class Connection {
  constructor(entry) {
    Object.assign(this, { entry, random: new Counting(), senders: {} });
    this.rekey = Math.min(entry.client_rekey, entry.server_rekey);
    this.psk = entry.psks.filter((each) => each.server_has_it).map((each) => hex(each.psk))[0];
    this.server = publicOf(hex(entry.server_secret));
  }

  /* Both messages are made here, since both sides draw from one count; `rekey` is what message 1 announces. */
  exchange1(prologueOf, rekey) {
    const { pattern, psks, client_secret: own, server_secret: theirs } = this.entry;
    let payload = interval(rekey);
    if (hasPsk(pattern)) for (const { psk } of psks) payload = Buffer.concat([payload, Buffer.from([2, 8]), sodium.crypto_generichash(8, 'pfswrap psk id 1', hex(psk))]);
    const prologue = prologueOf(overhead1(pattern) + payload.length);
    const e = this.random.take(32);
    this.header = this.random.take(24);
    this.client = new HybridHandshake(pattern, true, { e, seed: this.random.take(64) });
    this.client.Initialize(prologue, hex(own), this.server, this.psk);
    const answer = this.random.take(32);
    this.serverHeader = this.random.take(24);
    this.responder = new HybridHandshake(pattern, false, { e: answer, coins: this.random.take(32) });
    this.responder.Initialize(prologue, hex(theirs), null, this.psk);
    const message = this.client.WriteMessage(payload);
    this.responder.ReadMessage(message);
    return message;
  }

  exchange2() {
    const message = this.responder.WriteMessage(interval(this.rekey));
    this.client.ReadMessage(message);
    this.hash = Buffer.from(this.client.GetHandshakeHash());
    const [own, peer] = this.client.Split();
    return [message, own, peer];
  }

  step({ kind, from, plaintext }) {
    const sender = this.senders[from];
    switch (kind) {
      case 'message 1': {
        const { pattern, service, binding } = this.entry;
        let preamble;
        const message = this.exchange1((length) => {
          preamble = Buffer.concat([MAGIC, Buffer.from([pattern, 0]), u16(length), this.random.take(8)]);
          preamble = Buffer.concat([preamble, sodium.crypto_generichash(8, preamble, this.server)]);
          return Buffer.concat([preamble, Buffer.from([service.length]), Buffer.from(service), Buffer.from([binding.length / 2]), hex(binding)]);
        }, this.entry.client_rekey);
        return Buffer.concat([preamble, message]);
      }
      case 'message 2': {
        const [message, own, peer] = this.exchange2();
        this.senders = { client: new Sender(own, this.header, this.rekey), server: new Sender(peer, this.serverHeader, this.rekey) };
        return Buffer.concat([u16(message.length), message, this.serverHeader]);
      }
      case 'handshake hash': return this.hash;
      case 'confirm': return Buffer.concat([this.header, sender.frame(DATA, Buffer.alloc(0))]);
      case 'data': return sender.frame(DATA, hex(plaintext));
      case 'FINAL': return sender.frame(DATA, Buffer.alloc(0), true);
      case 're-handshake 1': return sender.frame(HANDSHAKE_1, this.exchange1(() => this.hash, this.rekey));
      case 're-handshake 2': {
        const [message, own, peer] = this.exchange2();
        const frame = sender.frame(HANDSHAKE_2, Buffer.concat([this.serverHeader, message]));
        this.senders.server = new Sender(peer, this.serverHeader, this.rekey);
        this.next = own;
        return frame;
      }
      case 're-handshake 3': {
        const frame = sender.frame(HANDSHAKE_2, this.header);
        this.senders.client = new Sender(this.next, this.header, this.rekey);
        return frame;
      }
      default: throw new Error(`a step of the kind ${kind}`);
    }
  }
}

/* The error of a preamble and message 1, for a responder that requires a hybrid pattern. */
function refusal(entry, first) {
  const length = first.readUInt16BE(10);
  const [preamble, message] = [first.subarray(0, 28), first.subarray(28)];
  if (preamble[8] < 5) return 'E_HYBRID_REQUIRED';
  if (length < 1152 || length > 2224) return 'E_MESSAGE_LENGTH';
  const responder = new HybridHandshake(preamble[8], false);
  responder.Initialize(Buffer.concat([preamble, Buffer.from([entry.service.length]), Buffer.from(entry.service), Buffer.from([entry.binding.length / 2]),
    hex(entry.binding)]), hex(entry.server_secret));
  try {
    responder.ReadMessage(message);
    return 'no error';
  } catch {
    return 'E_HANDSHAKE';
  }
}

const { connections, refused } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const entry of connections) {
  const connection = new Connection(entry);
  for (const [at, step] of entry.steps.entries()) {
    const made = connection.step(step).toString('hex');
    if (made !== step.bytes) {
      process.stderr.write(`${entry.name}, step ${at}, ${step.kind}: ${made}, expected ${step.bytes}\n`);
      process.exit(1);
    }
  }
}
for (const { what, connection, first, error } of refused) {
  const found = refusal(connections.find(({ name }) => name === connection), hex(first));
  if (found !== error) {
    process.stderr.write(`${what}: ${found}, expected ${error}\n`);
    process.exit(1);
  }
}
process.stdout.write(`${connections.length} connections, ${refused.length} refused inputs\n`);
