/*
 * What the tests of the tree do with this package, in one process: each line of stdin is a scenario of words `NAME KEY=VALUE...`,
 * and is answered with one line, `ok KEY=VALUE...` or `error CLASS CODE ADVICE: TEXT`. A server prints `port N` before.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { Connector, SecretKey, createServer } from '../index.mjs';

const TIMEOUT = 60000;
const kept = new Map();
const say = (text) => process.stdout.write(`${text.replaceAll('\n', ' ')}\n`);

function settings({ identity, pins, psk, hybrid, client, handshake, padding, rekey, service, renew }) {
  return {
    handshakeTimeout: Number(handshake ?? TIMEOUT),
    padding: Number(padding ?? 0),
    rekey: Number(rekey ?? 1),
    service: service ?? '',
    renewBytes: Number(renew ?? 2 ** 36),
    postQuantum: hybrid ? 'require' : 'off',
    ...(identity ? { identity: SecretKey.read(identity) } : {}),
    ...(pins ? { server: pins.split(',') } : {}),
    ...(psk ? { psks: SecretKey.read(psk) } : {}),
    ...(client ? { clients: { client } } : {}),
  };
}

function connector(options) {
  const { host, port, ca, keep } = options;
  const known = kept.get(keep);
  if (known) {
    known.replace(settings(options));
    return known;
  }
  const where = { host: host ?? '127.0.0.1', port: Number(port), timeout: TIMEOUT,
    ...(ca ? { tls: { ca: readFileSync(ca), ALPNProtocols: ['http/1.1'] } } : {}) };
  const made = new Connector(where, settings(options));
  if (keep) kept.set(keep, made);
  return made;
}

const state = ({ info }) => `pattern=Noise_${info.pattern}_${info.pattern.includes('hfs') ? '25519+MLKEM768' : '25519'}_ChaChaPoly_SHA256`
  + ` peer=${info.peerKey} rehandshakes=${info.rehandshakes} pads=${info.peerPads} name=${info.peerName}`;

async function write(socket, data, piece) {
  for (let at = 0; at < data.length; at += piece) {
    if (!socket.write(data.subarray(at, at + piece))) await once(socket, 'drain');
  }
}

async function readAll(socket) {
  const parts = [];
  for await (const part of socket) parts.push(part);
  return Buffer.concat(parts);
}

async function echo(options) {
  const socket = await connector(options).connect();
  const data = randomFillSync(Buffer.alloc(Number(options.size ?? 100000)));
  const back = [];
  let length = 0;
  const whole = new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('end', () => reject(new Error('the end came too early')));
    socket.on('data', (part) => {
      back.push(part);
      length += part.length;
      if (length >= data.length) resolve();
    });
  });
  await Promise.all([write(socket, data, Number(options.piece ?? data.length)), whole]);
  if (!Buffer.concat(back).equals(data)) throw new Error(`other data came back, ${length} bytes`);
  const seen = state(socket);
  socket.end();
  await once(socket, 'close');
  return seen;
}

async function serve(options) {
  let count = 0;
  const server = createServer(settings(options));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  say(`port ${server.address().port}`);
  const refused = once(server, 'refused').then(([error]) => { throw error; });
  const [socket] = await Promise.race([once(server, 'secureConnection'), refused]);
  refused.catch(() => {});
  server.close();
  for await (const part of socket) {
    count += part.length;
    if (!socket.write(part)) await once(socket, 'drain');
  }
  return `${state(socket)} bytes=${count}`;
}

/* Only sends; a re-handshake is seen to without a read of the program. */
async function send(options) {
  const socket = await connector(options).connect();
  await write(socket, Buffer.alloc(Number(options.size), 1), Number(options.piece));
  const end = Date.now() + TIMEOUT;
  while (socket.info.rehandshakes === 0 && Date.now() < end) await new Promise((resolve) => { setTimeout(resolve, 5); });
  const seen = state(socket);
  socket.end();
  await readAll(socket);
  return seen;
}

async function receive(options) {
  const socket = await connector(options).connect();
  const data = await readAll(socket);
  return `bytes=${data.length}`;
}

async function get(options) {
  const socket = await connector(options).connect();
  const seen = state(socket);
  const request = http.request({ createConnection: () => socket, host: 'localhost', path: options.path, headers: { connection: 'close' } });
  request.end();
  const [response] = await once(request, 'response');
  const body = await readAll(response);
  return `${seen} status=${response.statusCode} bytes=${body.length} sha256=${createHash('sha256').update(body).digest('hex')}`;
}

async function reconnect(options) {
  const begin = performance.now();
  try {
    const socket = await connector(options).reconnect({ attempts: Number(options.attempts ?? 3), least: 20, most: 80 });
    socket.destroy();
    return 'connected';
  } catch (error) {
    throw new Error(`${performance.now() - begin >= 25 ? 'waited' : 'at once'}, ${describe(error)}`);
  }
}

const describe = (error) => `error ${error.name.replace('SealError', 'SealException').replace(/^Seal(Refused|Truncated)$/, '$1')}`
  + ` ${error.code ?? '-'} ${error.advice?.toUpperCase().replaceAll('-', '_') ?? '-'}: ${error.message}`;

const scenarios = { echo, serve, send, receive, get, reconnect,
  key: async ({ file }) => `public=${SecretKey.read(file).publicKey}` };

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = line.split(' ');
  const options = Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
  try {
    say(`ok ${await scenarios[name](options)}`);
  } catch (error) {
    say(describe(error));
  }
}
process.exit(0);
