/* The payloads of handshake messages (docs/WIRE.md, 2.3), and padding (2.12). */
import { refuseIf } from './errors.mjs';
import { SecretKey } from './keys.mjs';
import { blake2b64 } from './stream.mjs';

const [REKEY, PSK_ID, PADDING] = [1, 2, 3];
const PSK_IDS_MAX = 16;
export const [PADDING_OFF, PADDING_ALLOW, PADDING_PADME] = [0, 1, 2];
export const TRAILER = 2; /* the number of zero bytes */

export const pskId = (psk) => blake2b64(SecretKey.bytesOf(psk), Buffer.from('pfswrap psk id 1'));

/* `padding`: undefined says nothing, else whether this side pads. */
export function writePayload(rekey, padding, psks) {
  const interval = Buffer.alloc(4);
  interval.writeUInt32BE(rekey);
  return Buffer.concat([Uint8Array.of(REKEY, 4), interval, padding === undefined ? Buffer.alloc(0) : Uint8Array.of(PADDING, 1, padding),
    ...psks.flatMap((psk) => [Uint8Array.of(PSK_ID, 8), pskId(psk)])]);
}

export function readPayload(bytes) {
  const payload = { rekey: undefined, readsPadding: false, pads: false, pskIds: [] };
  for (let at = 0; at < bytes.length;) {
    const length = at + 1 < bytes.length ? bytes[at + 1] : 255;
    refuseIf(at + 2 + length > bytes.length, 'E_PAYLOAD');
    take(payload, bytes[at], bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  payload.rekey ??= 1;
  return payload;
}

function take(payload, type, value) {
  if (type === REKEY) {
    refuseIf(payload.rekey !== undefined || value.length !== 4, 'E_PAYLOAD');
    payload.rekey = Buffer.from(value).readUInt32BE();
    refuseIf(payload.rekey === 0, 'E_PAYLOAD');
  } else if (type === PSK_ID) {
    refuseIf(value.length !== 8, 'E_PAYLOAD');
    if (payload.pskIds.length < PSK_IDS_MAX) payload.pskIds.push(value);
  } else if (type === PADDING) {
    refuseIf(payload.readsPadding || value.length !== 1 || value[0] > 1, 'E_PAYLOAD');
    payload.readsPadding = true;
    payload.pads = value[0] === 1;
  }
}

function padme(length) {
  const exponent = 31 - Math.clz32(length);
  const kept = 32 - Math.clz32(exponent);
  const mask = exponent > kept ? 2 ** (exponent - kept) - 1 : 0;
  return (length + mask) & ~mask;
}

/* The plaintext of a padded frame with this data, at most `limit` bytes. */
export function pad(setting, data, limit) {
  const least = data.length + TRAILER;
  const padded = Math.min(limit, setting === PADDING_PADME ? padme(least) : Math.ceil(least / setting) * setting);
  const out = new Uint8Array(padded);
  out.set(data);
  out.set([(padded - least) >> 8, (padded - least) & 255], padded - TRAILER);
  return out;
}

/* The data of a padded frame. Numbers of bytes are not secret to the peer. */
export function unpad(isPadded, plaintext) {
  const end = plaintext.length - TRAILER;
  const data = end - (plaintext[end] << 8 | plaintext[end + 1]);
  refuseIf(!isPadded || !(data >= 1), 'E_PADDING');
  refuseIf(plaintext.subarray(data, end).some((byte) => byte !== 0), 'E_PADDING');
  return plaintext.subarray(0, data);
}
