/*
 * Opens and accepts sealed connections. A client tries its pinned keys: if the server ends the connection during the handshake
 * with the first, the next one is tried on a new connection, once. No connection is ever opened without the seal.
 */
import net from 'node:net';
import tls from 'node:tls';
import { SealRefused } from './errors.mjs';
import { base64 } from './keys.mjs';
import { makeClientSettings, makeSettings } from './settings.mjs';
import { SealSocket } from './socket.mjs';
import { Tunnel } from './tunnel.mjs';

const NOTHING = new Uint8Array(0);
const EXPORTER = 'EXPORTER-Channel-Binding'; /* RFC 9266 */

/* A connected transport, or the error that it ended with. */
function connected(socket, event, timeout) {
  return new Promise((resolve, reject) => {
    const timer = timeout ? setTimeout(() => fail(new Error(`no connection in ${timeout} ms`)), timeout) : undefined;
    const end = () => {
      clearTimeout(timer);
      socket.off(event, succeed);
      socket.off('error', fail);
    };
    const fail = (error) => {
      end();
      socket.on('error', () => {}); /* the promise has the first one */
      socket.destroy();
      reject(error);
    };
    const succeed = () => {
      end();
      resolve();
    };
    socket.once(event, succeed);
    socket.once('error', fail);
  });
}

/* TCP, or TLS 1.3 if `options.tls` is there: the options of tls.connect(). */
async function openTransport({ host, port, timeout, tls: options }) {
  if (!options) {
    const socket = net.connect({ host, port, noDelay: true, allowHalfOpen: true });
    await connected(socket, 'connect', timeout);
    return { socket, binding: NOTHING };
  }
  const socket = tls.connect({
    host,
    port,
    ...(net.isIP(host) ? {} : { servername: host }),
    ...options,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    allowHalfOpen: true, /* this side still sends FINAL */
    ALPNProtocols: [...(options.ALPNProtocols ?? []), 'pfsw1'], /* tells the server that this client seals */
  });
  await connected(socket, 'secureConnect', timeout);
  socket.setNoDelay(true);
  return { socket, binding: Uint8Array.from(socket.exportKeyingMaterial(32, EXPORTER, Buffer.alloc(0))) };
}

function sealed(transport, tunnel, settings) {
  const socket = new SealSocket(transport, tunnel, settings.handshakeTimeout);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('secure', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/* Connections to one server. It remembers which pinned key worked. */
export class Connector {
  #settings;
  #where;
  #worked = null;

  /* `where`: { host, port, timeout, tls }; `options`: the settings of the seal. */
  constructor(where, options) {
    this.#where = { host: 'localhost', ...where };
    this.replace(options);
  }

  /* For new connections: another identity during a rotation, other pins. Open connections keep what they have. */
  replace(options) {
    this.#settings = makeClientSettings(options);
  }

  /* The pinned key that worked last, in base64, to be kept over a restart; null before a connection. */
  get workingPin() {
    return this.#worked;
  }

  /* Begins with this key, if it is one of the pinned keys. */
  preferPin(key) {
    this.#worked = key;
  }

  /* A promise of a SealSocket whose server is authenticated. */
  async connect() {
    const settings = this.#settings;
    const pins = settings.pins.map(base64);
    const first = Math.max(0, pins.indexOf(this.#worked));
    for (let attempt = 0; ; attempt++) {
      const pin = pins[(first + attempt) % pins.length];
      try {
        const { socket: transport, binding } = await openTransport(this.#where);
        const socket = await sealed(transport, Tunnel.client(settings, pin, binding), settings);
        this.#worked = pin;
        return socket;
      } catch (error) {
        if (!(error instanceof SealRefused) || error.advice === 'try-later' || attempt + 1 >= pins.length) throw error;
      }
    }
  }

  /*
   * The same, again after each failure of the network and with a longer wait. An error that waiting does not repair is thrown at
   * once: another key, a certificate, a client that is not admitted.
   */
  async reconnect({ attempts = 5, least = 500, most = 60000, signal } = {}) {
    for (let attempt = 1, wait = least; ; attempt++, wait = Math.min(most, 2 * wait)) {
      signal?.throwIfAborted();
      try {
        return await this.connect();
      } catch (error) {
        if (attempt >= attempts || !isPassing(error)) throw error;
        await pause(wait * (0.5 + Math.random() / 2), signal);
      }
    }
  }
}

const PASSING = new Set(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ETIMEDOUT', 'EPIPE', 'EAI_AGAIN']);

function isPassing(error) {
  return error.advice === 'try-later' || PASSING.has(error.code) || /^no connection in /.test(error.message)
    || (error instanceof AggregateError && error.errors.every(isPassing));
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/* One connection: `where` is { host, port, timeout, tls }. */
export const connect = (where, options) => new Connector(where, options).connect();

/*
 * A net.Server. `listener` and the event 'secureConnection' get each SealSocket when its client is authenticated, and the event
 * 'refused' the error of each that was not. For tests, and for programs that talk to programs under pfswrap.
 */
export function createServer(options, listener) {
  const settings = makeSettings(options);
  Tunnel.server(settings).free(); /* mistakes are seen now */
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sealed(socket, Tunnel.server(settings), settings).then((connection) => {
      server.emit('secureConnection', connection);
    }, (error) => server.emit('refused', error));
  });
  if (listener) server.on('secureConnection', listener);
  return server;
}
