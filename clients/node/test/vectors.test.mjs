/* Every vector of docs/vectors: the bytes of whole connections, and refused inputs with the names of their errors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SecretKey } from '../lib/keys.mjs';
import { hasPostQuantum } from '../lib/noise.mjs';
import { makeSettings } from '../lib/settings.mjs';
import { END, Tunnel } from '../lib/tunnel.mjs';

const folder = new URL('../../../docs/vectors/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, folder)));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (data) => Buffer.from(data).toString('hex');

/* Random bytes count up over the connection. */
function counting(start = 0) {
  let next = start;
  return (length) => Uint8Array.from({ length }, () => next++);
}

function settingsOf(entry, side, random) {
  const client = side === 'client';
  const own = new SecretKey(bytes(entry.client_secret));
  const named = entry.pattern % 2 === 1;
  const options = {
    rekey: entry[`${side}_rekey`],
    padding: entry[`${side}_padding`],
    service: entry.service,
    psks: entry.psks.filter((each) => client || each.server_has_it).map((each) => bytes(each.psk)),
    postQuantum: entry.pattern > 4 ? 'require' : 'off',
    ...(client ? {} : { identity: bytes(entry.server_secret) }),
    ...(client && named ? { identity: own } : {}),
    ...(!client && named ? { clients: { client: own.publicKey } } : {}),
    anonymousClients: !client && !named,
  };
  return makeSettings(options, { clock: () => 1800000000, random });
}

function play(entry) {
  const random = counting();
  const binding = bytes(entry.binding);
  const ends = {
    client: Tunnel.client(settingsOf(entry, 'client', random), new SecretKey(bytes(entry.server_secret)).publicKey, binding),
    server: Tunnel.server(settingsOf(entry, 'server', random), binding),
  };
  for (const { from, kind, plaintext, bytes: wanted } of entry.steps) {
    const [sender, receiver] = from === 'client' ? [ends.client, ends.server] : [ends.server, ends.client];
    if (kind === 'handshake hash') {
      assert.equal(hex(sender.info().handshakeHash), wanted, kind);
      continue;
    }
    if (kind === 'data') sender.write(bytes(plaintext));
    if (kind === 'FINAL') sender.close();
    if (kind === 're-handshake 1') assert.equal(sender.renew(), true);
    assert.equal(hex(sender.dataToSend()), wanted, `${kind} of the ${from}`);
    receiver.receive(bytes(wanted));
    if (!receiver.handshake()) continue;
    if (kind === 'data') assert.equal(hex(receiver.read()), plaintext);
    if (kind === 'FINAL') assert.equal(receiver.read(), END);
    receiver.advance();
  }
  assert.equal(hex(ends.server.info().handshakeHash), hex(ends.client.info().handshakeHash));
}

function refuse(entry, { first, then, ends }) {
  const server = Tunnel.server(settingsOf(entry, 'server', counting(entry.pattern > 4 ? 128 : 64)), bytes(entry.binding));
  server.receive(bytes(first));
  if (ends) server.receiveEnd();
  server.handshake();
  if (then === undefined) return;
  server.receive(bytes(then));
  server.handshake();
  while (server.read() instanceof Uint8Array);
}

for (const name of ['seal.json', 'hybrid.json']) {
  const vectors = read(name);
  const skip = name === 'hybrid.json' && !hasPostQuantum && '@noble/post-quantum is not installed';
  for (const entry of vectors.connections) test(`${name}: ${entry.name}`, { skip }, () => play(entry));
  for (const input of vectors.refused) {
    const entry = vectors.connections.find((each) => each.name === input.connection);
    test(`${name}: ${input.error}: ${input.what}`, { skip }, () => {
      assert.throws(() => refuse(entry, input), (error) => error.code === input.error);
    });
  }
}

test('a changed byte of a vector is found', () => {
  const [entry] = read('seal.json').connections;
  entry.steps[6].bytes = `${entry.steps[6].bytes.slice(0, -4)}00${entry.steps[6].bytes.slice(-2)}`;
  assert.throws(() => play(entry));
});
