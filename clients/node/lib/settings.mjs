/* Settings that connections share. A value that is not valid is an exception at once. */
import { randomBytes } from 'node:crypto';
import { SealKeyError } from './errors.mjs';
import { base64, publicKey, secretKey } from './keys.mjs';
import { PADDING_ALLOW, PADDING_OFF, PADDING_PADME } from './payload.mjs';
import { FRAME } from './stream.mjs';

const WORDS = { off: PADDING_OFF, allow: PADDING_ALLOW, padme: PADDING_PADME };
const NAMES = ['identity', 'server', 'clients', 'anonymousClients', 'psks', 'service', 'rekey', 'padding', 'postQuantum',
  'renewSeconds', 'renewBytes', 'handshakeTimeout'];

function check(good, text) {
  if (!good) throw new RangeError(text);
}

const inRange = (value, most, what) => {
  check(Number.isSafeInteger(value) && value >= 1 && value <= most, `${what} ${value}, expected 1 to ${most}`);
  return value;
};

const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function paddingOf(value) {
  const number = WORDS[value] ?? value;
  check(number === PADDING_OFF || number === PADDING_ALLOW || number === PADDING_PADME
    || (Number.isInteger(number) && number >= 16 && number <= FRAME && (number & (number - 1)) === 0),
  `padding ${value}, expected off, allow, padme or a power of 2 from 16 to 16384`);
  return number;
}

/* { name: key or list of keys } as a map from keys to names. */
function clientsOf(clients) {
  return new Map(Object.entries(clients).flatMap(([name, keys]) => list(keys).map((key) => [base64(publicKey(key)), name])));
}

/* `fixed`: for tests, time and random bytes that are known. */
export function makeSettings(options, fixed = {}) {
  const other = Object.keys(options).find((name) => !NAMES.includes(name));
  check(other === undefined, `no setting ${other}, expected ${NAMES.join(', ')}`);
  const service = Buffer.from(options.service ?? '');
  check(service.length <= 63, `a service of ${service.length} bytes, expected at most 63`);
  const psks = list(options.psks).map(secretKey);
  check(psks.length <= 16, `${psks.length} preshared keys, expected at most 16`);
  const postQuantum = options.postQuantum ?? 'off';
  check(['off', 'allow', 'require'].includes(postQuantum), `postQuantum ${postQuantum}, expected off, allow, require`);
  return Object.freeze({
    identities: list(options.identity).map(secretKey),
    pins: list(options.server).map(publicKey),
    clients: clientsOf(options.clients ?? {}),
    anonymousClients: options.anonymousClients ?? false,
    psks,
    service,
    rekey: inRange(options.rekey ?? 1, 2 ** 32 - 1, 'a rekey interval of'),
    padding: paddingOf(options.padding ?? 'off'),
    postQuantum,
    renewSeconds: inRange(options.renewSeconds ?? 3600, 3600, 'renewSeconds'),
    renewBytes: inRange(options.renewBytes ?? 2 ** 36, 2 ** 36, 'renewBytes'),
    handshakeTimeout: inRange(options.handshakeTimeout ?? 10000, 2 ** 31 - 1, 'handshakeTimeout'),
    clock: fixed.clock ?? (() => Math.floor(Date.now() / 1000)),
    random: fixed.random ?? ((length) => Uint8Array.from(randomBytes(length))),
  });
}

/* A client's settings: with a pinned key. */
export function makeClientSettings(options, fixed) {
  const settings = makeSettings(options, fixed);
  if (settings.pins.length === 0) throw new SealKeyError("no pinned key of the server, expected `server: 'KEY'` or a list of keys");
  return settings;
}
