/* Keys: 32 bytes, as base64 in files and settings. A secret key shows nothing of itself in logs and inspectors. */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { inspect } from 'node:util';
import { SealKeyError } from './errors.mjs';

export const KEY = 32;
const FILE_MAX = 4096;
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/* The private key of X25519 as node:crypto has it (RFC 8410). */
export function privateObject(secret) {
  const der = Buffer.concat([PKCS8, secret]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

export function publicBytes(secret) {
  return Uint8Array.from(createPublicKey(privateObject(secret)).export({ format: 'der', type: 'spki' }).subarray(-KEY));
}

function decode(text, what) {
  const bytes = Buffer.from(text, 'base64');
  if (text.length !== 44 || bytes.length !== KEY || bytes.toString('base64') !== text) {
    bytes.fill(0);
    throw new SealKeyError(`${what} that is not valid, expected 44 characters of base64 (32 bytes), as pfswrap genkey and pubkey`
      + ' print them');
  }
  return Uint8Array.from(bytes);
}

/* The 32 bytes of a public key, from base64 or bytes. */
export function publicKey(key) {
  if (typeof key === 'string') return decode(key.trim(), 'a public key');
  if (!(key instanceof Uint8Array) || key.length !== KEY) throw new SealKeyError(`a public key that is not valid, expected ${KEY} bytes`);
  return Uint8Array.from(key);
}

export const base64 = (bytes) => Buffer.from(bytes).toString('base64');

/* An identity (X25519) or a preshared key. */
export class SecretKey {
  #bytes;

  /* From base64 or 32 bytes, which are copied. */
  constructor(key) {
    if (typeof key === 'string') {
      this.#bytes = decode(key.trim(), 'a secret key');
    } else if (key instanceof Uint8Array && key.length === KEY) {
      this.#bytes = Uint8Array.from(key);
    } else {
      throw new SealKeyError(`a secret key that is not valid, expected base64 or ${KEY} bytes`);
    }
  }

  static generate() {
    return new SecretKey(randomBytes(KEY));
  }

  /* From a file of `pfswrap genkey` or `genpsk`: the first line is the key, lines with # are comments. */
  static read(file) {
    const { mode, size } = statSync(file);
    if (process.platform !== 'win32' && (mode & 0o066) !== 0) {
      throw new SealKeyError(`${file}: others can read or write it, expected mode 0600 or 0400`);
    }
    if (size > FILE_MAX) throw new SealKeyError(`${file}: expected a key of 44 characters, not a file of ${size} bytes`);
    const line = readFileSync(file, 'latin1').split('\n').find((each) => each.trim() && !each.startsWith('#'));
    if (line === undefined) throw new SealKeyError(`${file}: no key, expected a line of 44 characters of base64`);
    const bytes = decode(line.trim(), `${file}: a key`);
    try {
      return new SecretKey(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /* The bytes themselves, for this package. */
  static bytesOf(key) {
    if (!key.#bytes) throw new SealKeyError('the key was destroyed');
    return key.#bytes;
  }

  /* The public key in base64. */
  get publicKey() {
    return base64(publicBytes(SecretKey.bytesOf(this)));
  }

  /* The secret in base64, to be kept in a key store. */
  export() {
    return base64(SecretKey.bytesOf(this));
  }

  destroy() {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toString() {
    return 'SecretKey';
  }

  toJSON() {
    return 'SecretKey';
  }

  [inspect.custom]() {
    return 'SecretKey {}';
  }
}

export function secretKey(key) {
  return key instanceof SecretKey ? key : new SecretKey(key);
}
