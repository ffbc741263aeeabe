/* Two SealSockets of this package: what destroy() says to the peer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { SealTruncated, SecretKey, connect, createServer } from '../index.mjs';

async function pair() {
  const [own, client] = [SecretKey.generate(), SecretKey.generate()];
  const server = createServer({ identity: own, clients: { client: client.publicKey } });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'secureConnection');
  const left = await connect({ host: '127.0.0.1', port: server.address().port }, { identity: client, server: own.publicKey });
  const [right] = await accepted;
  server.close();
  return [left, right];
}

async function readAll(socket) {
  let length = 0;
  for await (const part of socket) length += part.length;
  return length;
}

test('end() is an end for the peer', async () => {
  const [left, right] = await pair();
  assert.equal(right.info.peerName, 'client');
  left.end(Buffer.alloc(1 << 20));
  assert.equal(await readAll(right), 1 << 20);
  await readAll(left);
});

test('destroy() is a truncation for the peer, also behind data', async () => {
  const [left, right] = await pair();
  left.write(Buffer.alloc(1000));
  await once(right, 'readable');
  left.destroy();
  await assert.rejects(readAll(right), SealTruncated);
});
