/*
 * A sealed connection as a stream of Node.js. SealSocket is a Duplex over a transport that is a Duplex as well: a net.Socket, or
 * a TLS connection with its exporter value as binding. It ends ('end') only at the authenticated end.
 */
import { Duplex } from 'node:stream';
import { SealRefused } from './errors.mjs';
import { END } from './tunnel.mjs';

const LINGER_MILLIS = 5000; /* how long the transport may take to write FINAL */

export class SealSocket extends Duplex {
  #transport;
  #tunnel;
  #transportError;
  #flowing = true; /* the readable side takes more */
  #announced = false;
  #ended = false; /* the peer's FINAL was passed on */
  #finished = false; /* FINAL was written */
  #timer;

  constructor(transport, tunnel, handshakeTimeout) {
    super({ allowHalfOpen: false });
    this.#transport = transport;
    this.#tunnel = tunnel;
    this.#timer = setTimeout(() => {
      this.destroy(new SealRefused(`no handshake in ${handshakeTimeout} ms`, 'try-later'));
    }, handshakeTimeout);
    transport.on('data', (chunk) => this.#receive(chunk));
    transport.on('error', (error) => {
      this.#transportError = error;
    });
    transport.on('timeout', () => this.emit('timeout'));
    for (const event of ['end', 'close']) transport.on(event, () => this.#transportEnds());
    this.#send();
  }

  /* What was agreed on: pattern, peerKey, peerName, rekey, rehandshakes, handshakeHash, peerPads. */
  get info() {
    return this.#tunnel.info();
  }

  /* A client: begins a re-handshake now, if one is possible. They also begin by themselves. */
  renew() {
    return this.#attempt(() => this.#tunnel.renew()) ?? false;
  }

  get remoteAddress() {
    return this.#transport.remoteAddress;
  }

  get remotePort() {
    return this.#transport.remotePort;
  }

  get localAddress() {
    return this.#transport.localAddress;
  }

  get localPort() {
    return this.#transport.localPort;
  }

  /* HTTP clients call these. */
  setTimeout(milliseconds, callback) {
    this.#transport.setTimeout?.(milliseconds);
    if (callback) this.once('timeout', callback);
    return this;
  }

  setNoDelay(on) {
    this.#transport.setNoDelay?.(on);
    return this;
  }

  setKeepAlive(on, delay) {
    this.#transport.setKeepAlive?.(on, delay);
    return this;
  }

  ref() {
    this.#transport.ref?.();
    return this;
  }

  unref() {
    this.#transport.unref?.();
    return this;
  }

  /* Runs a step of the tunnel, and sends what it has made. An error ends the connection. */
  #attempt(step) {
    try {
      const result = step();
      this.#send();
      return result;
    } catch (error) {
      if (this.#transportError && error.cause === undefined) error.cause = this.#transportError;
      this.destroy(error);
      return undefined;
    }
  }

  #send(done) {
    const bytes = this.#tunnel.dataToSend();
    if (bytes.length > 0 && !this.#transport.destroyed) this.#transport.write(bytes, done);
    else done?.();
  }

  #receive(chunk) {
    if (this.destroyed) return;
    this.#tunnel.receive(chunk);
    this.#continue();
  }

  #transportEnds() {
    if (this.destroyed) return;
    this.#tunnel.receiveEnd();
    this.#flowing = true; /* what has come, and then the end or the error */
    this.#continue();
  }

  #continue() {
    if (!this.#attempt(() => this.#tunnel.handshake())) return;
    if (!this.#announced) {
      this.#announced = true;
      clearTimeout(this.#timer);
      this.emit('secure');
    }
    while (this.#flowing && !this.#ended && !this.destroyed) {
      const data = this.#attempt(() => this.#tunnel.read());
      if (data === null || data === undefined) break;
      if (data === END) {
        this.#ended = true;
        this.push(null);
      } else {
        this.#flowing = this.push(Buffer.from(data.buffer, data.byteOffset, data.length));
      }
    }
    /* The transport waits while nobody reads. */
    if (!this.#flowing && !this.#ended) this.#transport.pause();
  }

  _read() {
    this.#flowing = true;
    if (!this.#announced || this.destroyed) return;
    this.#continue();
    if (this.#flowing) this.#transport.resume();
  }

  _write(chunk, _encoding, done) {
    if (!this.#announced) {
      this.once('secure', () => this._write(chunk, _encoding, done));
      return;
    }
    try {
      this.#tunnel.write(chunk);
    } catch (error) {
      done(error);
      return;
    }
    this.#send(done);
  }

  _final(done) {
    if (!this.#announced) {
      this.once('secure', () => this._final(done));
      return;
    }
    try {
      this.#tunnel.close();
    } catch (error) {
      done(error);
      return;
    }
    this.#finished = true;
    this.#send(() => {
      /* On a socket, FIN follows FINAL. TLS stays open for the other direction (docs/MOBILE.md). */
      if (this.#transport.encrypted !== true) this.#transport.end();
      done();
    });
  }

  /*
   * After end() has written FINAL, the transport may still write it. A socket that is destroyed before may have dropped data that
   * was written, so it sends no FINAL: the peer sees a truncation.
   */
  _destroy(error, done) {
    clearTimeout(this.#timer);
    this.#tunnel.free();
    if (error === null && this.#finished && !this.#transport.destroyed) {
      this.#transport.end();
      this.#transport.resume(); /* what comes is not looked at any more */
      setTimeout(() => this.#transport.destroy(), LINGER_MILLIS).unref();
    } else {
      this.#transport.destroy();
    }
    done(error);
  }
}
