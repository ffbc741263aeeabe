/*
 * Noise IK and NK with hybrid forward secrecy, with and without psk2 (docs/WIRE.md, 1.2): 25519, ChaChaPoly and SHA-256 from
 * node:crypto, and ML-KEM-768 from @noble/post-quantum. Nothing of pfswrap or libsodium is in it. A handshake has the methods
 * of noise-c's HandshakeState; Split() returns the raw keys. `fixed` has what would be random: e, seed (64), coins (32).
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman, randomBytes }
  from 'node:crypto';
import { ml_kem768 as kem } from '@noble/post-quantum/ml-kem.js';

const NAMES = { 5: 'Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256', 6: 'Noise_NKhfs_25519+MLKEM768_ChaChaPoly_SHA256',
  7: 'Noise_IKhfs+psk2_25519+MLKEM768_ChaChaPoly_SHA256', 8: 'Noise_NKhfs+psk2_25519+MLKEM768_ChaChaPoly_SHA256' };
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const [KEY, TAG] = [32, 16];

export const isHybrid = (pattern) => pattern >= 5 && pattern <= 8;
export const hasClientKey = (pattern) => pattern % 2 === 1;
export const hasPsk = (pattern) => [3, 4, 7, 8].includes(pattern);
export const overhead1 = (pattern) => KEY + 1184 + TAG + (hasClientKey(pattern) ? KEY + TAG : 0) + TAG;

const secretKey = (raw) => createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
export const publicOf = (raw) => createPublicKey(secretKey(raw)).export({ format: 'der', type: 'spki' }).subarray(-KEY);

function dh(secret, key) {
  const peer = createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' });
  return diffieHellman({ privateKey: secretKey(secret), publicKey: peer }); /* throws for a result of zeros */
}

class Symmetric {
  constructor(name) {
    this.h = createHash('sha256').update(name).digest(); /* the names have more than 32 bytes */
    this.ck = this.h;
  }

  mixHash(data) { this.h = createHash('sha256').update(this.h).update(data).digest(); }

  hkdf(material, count) {
    const hmac = (key, data) => createHmac('sha256', key).update(data).digest();
    const outputs = [];
    const extracted = hmac(this.ck, material);
    for (let i = 1; i <= count; i++) outputs.push(hmac(extracted, Buffer.concat([outputs.at(-1) ?? Buffer.alloc(0), Buffer.from([i])])));
    return outputs;
  }

  mixKey(material) { [this.ck, this.k] = this.hkdf(material, 2); this.n = 0; }

  mixKeyAndHash(material) {
    const [ck, hashed, k] = this.hkdf(material, 3);
    Object.assign(this, { ck, k, n: 0 });
    this.mixHash(hashed);
  }

  nonce() {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(this.n++, 4);
    return nonce;
  }

  encrypt(plaintext) {
    const cipher = createCipheriv('chacha20-poly1305', this.k, this.nonce(), { authTagLength: TAG });
    cipher.setAAD(this.h, { plaintextLength: plaintext.length });
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    this.mixHash(sealed);
    return sealed;
  }

  decrypt(sealed) {
    const decipher = createDecipheriv('chacha20-poly1305', this.k, this.nonce(), { authTagLength: TAG });
    decipher.setAAD(this.h, { plaintextLength: sealed.length - TAG });
    decipher.setAuthTag(sealed.subarray(-TAG));
    const plaintext = Buffer.concat([decipher.update(sealed.subarray(0, -TAG)), decipher.final()]);
    this.mixHash(sealed);
    return plaintext;
  }
}

export class HybridHandshake {
  constructor(pattern, initiator, fixed = {}) {
    Object.assign(this, { pattern, initiator, fixed });
  }

  /* `secret`: the own static key; `remote`: the responder's public key, at the initiator. */
  Initialize(prologue, secret, remote, psk) {
    this.symmetric = new Symmetric(NAMES[this.pattern]);
    this.s = secret && Buffer.from(secret);
    this.rs = remote && Buffer.from(remote);
    this.psk = psk && Buffer.from(psk);
    this.symmetric.mixHash(prologue);
    this.symmetric.mixHash(this.initiator ? this.rs : publicOf(this.s));
  }

  mixEphemeral(key) {
    this.symmetric.mixHash(key);
    if (hasPsk(this.pattern)) this.symmetric.mixKey(key);
  }

  ownEphemeral() {
    this.e = this.fixed.e ?? randomBytes(KEY);
    const key = publicOf(this.e);
    this.mixEphemeral(key);
    return key;
  }

  WriteMessage(payload) { return this.initiator ? this.write1(payload) : this.write2(payload); }

  ReadMessage(message) { return this.initiator ? this.read2(Buffer.from(message)) : this.read1(Buffer.from(message)); }

  write1(payload) { /* e, es, e1, s, ss */
    const parts = [this.ownEphemeral()];
    this.symmetric.mixKey(dh(this.e, this.rs));
    this.kem = kem.keygen(Uint8Array.from(this.fixed.seed ?? randomBytes(64)));
    parts.push(this.symmetric.encrypt(this.kem.publicKey));
    if (hasClientKey(this.pattern)) {
      parts.push(this.symmetric.encrypt(publicOf(this.s)));
      this.symmetric.mixKey(dh(this.s, this.rs));
    }
    parts.push(this.symmetric.encrypt(payload));
    return Buffer.concat(parts);
  }

  read1(message) {
    let at = KEY;
    const next = (length) => message.subarray(at, at += length);
    this.re = message.subarray(0, KEY);
    this.mixEphemeral(this.re);
    this.symmetric.mixKey(dh(this.s, this.re));
    this.e1 = this.symmetric.decrypt(next(1184 + TAG));
    if (hasClientKey(this.pattern)) {
      this.rs = this.symmetric.decrypt(next(KEY + TAG));
      this.symmetric.mixKey(dh(this.s, this.rs));
    }
    return this.symmetric.decrypt(message.subarray(at));
  }

  write2(payload) { /* e, ee, ekem1, se, psk */
    const parts = [this.ownEphemeral()];
    this.symmetric.mixKey(dh(this.e, this.re));
    const { cipherText, sharedSecret } = kem.encapsulate(Uint8Array.from(this.e1), Uint8Array.from(this.fixed.coins ?? randomBytes(32)));
    parts.push(this.symmetric.encrypt(cipherText));
    this.symmetric.mixKey(sharedSecret);
    if (hasClientKey(this.pattern)) this.symmetric.mixKey(dh(this.e, this.rs));
    if (hasPsk(this.pattern)) this.symmetric.mixKeyAndHash(this.psk);
    parts.push(this.symmetric.encrypt(payload));
    return Buffer.concat(parts);
  }

  read2(message) {
    const re = message.subarray(0, KEY);
    this.mixEphemeral(re);
    this.symmetric.mixKey(dh(this.e, re));
    const cipherText = this.symmetric.decrypt(message.subarray(KEY, KEY + 1088 + TAG));
    this.symmetric.mixKey(kem.decapsulate(Uint8Array.from(cipherText), this.kem.secretKey));
    if (hasClientKey(this.pattern)) this.symmetric.mixKey(dh(this.s, re));
    if (hasPsk(this.pattern)) this.symmetric.mixKeyAndHash(this.psk);
    return this.symmetric.decrypt(message.subarray(KEY + 1088 + TAG));
  }

  GetRemotePublicKey() { return this.rs; }

  GetHandshakeHash() { return Uint8Array.from(this.symmetric.h); }

  /* The key for what this side sends, and the key for what it receives. */
  Split() {
    const [first, second] = this.symmetric.hkdf(Buffer.alloc(0), 2).map((key) => Uint8Array.from(key));
    return this.initiator ? [first, second] : [second, first];
  }
}
