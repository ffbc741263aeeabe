/*
 * One handshake of the Noise Protocol Framework, revision 34: IK and NK with 25519, ChaChaPoly and SHA256, with psk2 and with
 * hybrid forward secrecy (docs/WIRE.md, 1 and 1.2), in both roles. The algorithms are those of node:crypto and, for ML-KEM-768,
 * of @noble/post-quantum. Each message is written or read once, in order.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, createPublicKey, diffieHellman } from 'node:crypto';
import { SealError, refuseIf } from './errors.mjs';
import { KEY, SecretKey, privateObject, publicBytes } from './keys.mjs';

export const TAG = 16;
export const KEM = { PUBLIC: 1184, CIPHERTEXT: 1088, SEED: 64, Q: 3329 };
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const NOTHING = Buffer.alloc(0);
const ALGORITHMS = (hybrid) => `25519${hybrid ? '+MLKEM768' : ''}_ChaChaPoly_SHA256`;

/* The patterns by their numbers on the wire. */
export const PATTERNS = Object.fromEntries([
  [1, 'IK', true, false, false], [2, 'NK', false, false, false], [3, 'IKpsk2', true, true, false], [4, 'NKpsk2', false, true, false],
  [5, 'IKhfs', true, false, true], [6, 'NKhfs', false, false, true], [7, 'IKhfs+psk2', true, true, true],
  [8, 'NKhfs+psk2', false, true, true],
].map(([number, name, named, psk, hybrid]) => [number, Object.freeze({
  number,
  name,
  named, /* the client has a static key */
  psk,
  hybrid,
  noiseName: `Noise_${name}_${ALGORITHMS(hybrid)}`,
  messageMin: hybrid ? 1152 : 48,
  messageMax: hybrid ? 2224 : 1024,
  overhead1: KEY + (hybrid ? KEM.PUBLIC + TAG : 0) + (named ? KEY + TAG : 0) + TAG,
})]));

let kem = null;
try {
  ({ ml_kem768: kem } = await import('@noble/post-quantum/ml-kem.js'));
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
}

/* Whether handshakes can be hybrid. */
export const hasPostQuantum = kem !== null;

function agree(secret, key) {
  try {
    const peer = createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' });
    return diffieHellman({ privateKey: privateObject(secret), publicKey: peer });
  } catch { /* OpenSSL refuses a result of zeros (RFC 7748, 6.1) */
    throw new SealError('E_SMALL_ORDER');
  }
}

/* FIPS 203, section 7.2: each of the 768 numbers of 12 bits is below q. */
export function checkKemKey(key) {
  for (let i = 0; i + 2 < KEM.PUBLIC - 32; i += 3) {
    const low = key[i] | (key[i + 1] & 15) << 8;
    const high = key[i + 1] >> 4 | key[i + 2] << 4;
    refuseIf(low >= KEM.Q || high >= KEM.Q, 'E_KEM_KEY');
  }
}

export class Noise {
  #ck;
  #h;
  #k;
  #n = 0;
  #own; /* the static secret; not this object's to wipe */
  #e;
  #seed; /* of ML-KEM, the initiator's */
  #peerE;
  #peerKem;

  constructor(pattern, prologue, serverPublic) {
    const name = Buffer.from(pattern.noiseName);
    this.pattern = pattern;
    this.clientKey = null; /* the client's static public key */
    this.#h = name.length <= 32 ? Buffer.concat([name, Buffer.alloc(32 - name.length)]) : createHash('sha256').update(name).digest();
    this.#ck = Buffer.from(this.#h);
    this.#mixHash(prologue);
    this.#mixHash(serverPublic);
  }

  get hash() {
    return Uint8Array.from(this.#h);
  }

  #mixHash(data) {
    this.#h = createHash('sha256').update(this.#h).update(data).digest();
  }

  #hkdf(input, count) {
    const hmac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), createHmac('sha256', key)).digest();
    const temporary = hmac(this.#ck, input);
    const outputs = [];
    for (let i = 1; i <= count; i++) outputs.push(hmac(temporary, outputs.at(-1) ?? NOTHING, Uint8Array.of(i)));
    temporary.fill(0);
    return outputs;
  }

  #mixKey(input) {
    const [ck, k] = this.#hkdf(input, 2);
    this.#replace(ck, k);
  }

  #replace(ck, k) {
    this.#ck.fill(0);
    this.#k?.fill(0);
    [this.#ck, this.#k, this.#n] = [ck, k, 0];
  }

  /* MixKey with a secret that is not used again. */
  #mixSecret(secret) {
    this.#mixKey(secret);
    secret.fill(0);
  }

  #mixPsk(psk) {
    const [ck, hashed, k] = this.#hkdf(psk, 3);
    this.#replace(ck, k);
    this.#mixHash(hashed);
    hashed.fill(0);
  }

  #nonce() {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(this.#n++, 4);
    return nonce;
  }

  #encrypt(plaintext) {
    const cipher = createCipheriv('chacha20-poly1305', this.#k, this.#nonce(), { authTagLength: TAG });
    cipher.setAAD(this.#h, { plaintextLength: plaintext.length });
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    this.#mixHash(sealed);
    return sealed;
  }

  #decrypt(sealed) {
    refuseIf(sealed.length < TAG, 'E_HANDSHAKE');
    const decipher = createDecipheriv('chacha20-poly1305', this.#k, this.#nonce(), { authTagLength: TAG });
    decipher.setAAD(this.#h, { plaintextLength: sealed.length - TAG });
    decipher.setAuthTag(sealed.subarray(-TAG));
    const plaintext = decipher.update(sealed.subarray(0, -TAG));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      throw new SealError('E_HANDSHAKE');
    }
    this.#mixHash(sealed);
    return plaintext;
  }

  #mixEphemeral(key) {
    this.#mixHash(key);
    if (this.pattern.psk) this.#mixKey(key);
  }

  #ownEphemeral(secret) {
    const key = publicBytes(secret);
    this.#e = secret;
    this.#mixEphemeral(key);
    return key;
  }

  /* -> e, es, [e1,] [s, ss]. `identity` is the client's static secret, with named patterns. */
  writeMessage1(server, identity, ephemeral, seed, payload) {
    const parts = [this.#ownEphemeral(ephemeral)];
    this.#own = identity;
    this.#mixSecret(agree(this.#e, server));
    if (this.pattern.hybrid) {
      this.#seed = seed;
      parts.push(this.#encrypt(kem.keygen(seed).publicKey));
    }
    if (this.pattern.named) {
      parts.push(this.#encrypt(publicBytes(identity)));
      this.#mixSecret(agree(identity, server));
    }
    return Buffer.concat([...parts, this.#encrypt(payload)]);
  }

  /* The responder's side of it; returns the payload. */
  readMessage1(serverSecret, message) {
    const s = KEY + (this.pattern.hybrid ? KEM.PUBLIC + TAG : 0);
    const rest = s + (this.pattern.named ? KEY + TAG : 0);
    refuseIf(message.length < rest + TAG, 'E_HANDSHAKE');
    this.#peerE = message.subarray(0, KEY);
    this.#mixEphemeral(this.#peerE);
    this.#mixSecret(agree(serverSecret, this.#peerE));
    if (this.pattern.hybrid) this.#peerKem = this.#decrypt(message.subarray(KEY, s));
    if (this.pattern.named) {
      this.clientKey = Uint8Array.from(this.#decrypt(message.subarray(s, rest)));
      this.#mixSecret(agree(serverSecret, this.clientKey));
    }
    return this.#decrypt(message.subarray(rest));
  }

  /* <- e, ee, [ekem1,] [se,] [psk]. */
  writeMessage2(ephemeral, random, psk, payload) {
    const parts = [this.#ownEphemeral(ephemeral)];
    this.#mixSecret(agree(this.#e, this.#peerE));
    if (this.pattern.hybrid) {
      checkKemKey(this.#peerKem);
      const { cipherText, sharedSecret } = kem.encapsulate(Uint8Array.from(this.#peerKem), random);
      parts.push(this.#encrypt(cipherText));
      this.#mixSecret(sharedSecret);
    }
    if (this.pattern.named) this.#mixSecret(agree(this.#e, this.clientKey));
    if (this.pattern.psk) this.#mixPsk(psk);
    return Buffer.concat([...parts, this.#encrypt(payload)]);
  }

  /* The initiator's side of it; tries the psks that it offered, in their order. Returns the payload. */
  readMessage2(message, psks) {
    const rest = KEY + (this.pattern.hybrid ? KEM.CIPHERTEXT + TAG : 0);
    refuseIf(message.length < rest + TAG, 'E_HANDSHAKE');
    this.#peerE = message.subarray(0, KEY);
    this.#mixEphemeral(this.#peerE);
    this.#mixSecret(agree(this.#e, this.#peerE));
    if (this.pattern.hybrid) {
      const { secretKey } = kem.keygen(this.#seed);
      this.#mixSecret(kem.decapsulate(Uint8Array.from(this.#decrypt(message.subarray(KEY, rest))), secretKey));
      secretKey.fill(0);
    }
    if (this.pattern.named) this.#mixSecret(agree(this.#own, this.#peerE));
    const last = message.subarray(rest);
    return this.pattern.psk ? this.#tryPsks(last, psks) : this.#decrypt(last);
  }

  #tryPsks(sealed, psks) {
    const [ck, h] = [Buffer.from(this.#ck), this.#h];
    try {
      for (const psk of psks) {
        this.#ck.fill(0);
        [this.#ck, this.#h] = [Buffer.from(ck), h];
        this.#mixPsk(SecretKey.bytesOf(psk));
        try {
          return this.#decrypt(sealed);
        } catch (error) {
          if (!(error instanceof SealError)) throw error; /* else the next one */
        }
      }
    } finally {
      ck.fill(0);
    }
    throw new SealError('E_HANDSHAKE');
  }

  /* The initiator's and the responder's stream key. Everything else is erased. */
  split() {
    const keys = this.#hkdf(NOTHING, 2);
    this.wipe();
    return keys;
  }

  wipe() {
    for (const secret of [this.#ck, this.#k, this.#e, this.#seed]) secret?.fill(0);
  }
}
