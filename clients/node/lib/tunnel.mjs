/*
 * One sealed connection without I/O: bytes of the transport go in and out, and so do bytes of data. It is for transports of your
 * own; SealSocket is built on it. Send what dataToSend() returns after every call, in its order. An exception is final: the keys
 * are wiped, and each later call throws the same error.
 */
import { SealError, SealRefused, SealTruncated, refuseIf } from './errors.mjs';
import { Exchange, PREAMBLE, checkMagic } from './exchange.mjs';
import { base64, publicKey } from './keys.mjs';
import { Limits } from './limits.mjs';
import { TRAILER, pad, unpad } from './payload.mjs';
import { FRAME, FRAME_OVERHEAD, HEADER, OVERHEAD, PREFIX, SecretStream, wipe } from './stream.mjs';

const [DATA, HANDSHAKE_1, HANDSHAKE_2, PADDED] = [0, 1, 2, 3];
const NOTHING = new Uint8Array(0);
export const END = Symbol('the authenticated end');

/* Bytes of the transport that have not been interpreted. */
class ReceiveBuffer {
  #parts = [];
  length = 0;

  add(bytes) {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.length += bytes.length;
  }

  /* The first bytes, which stay. There are as many. */
  peek(length) {
    if (this.#parts.length > 0 && this.#parts[0].length < length) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts.length > 0 ? this.#parts[0].subarray(0, length) : NOTHING;
  }

  take(length) {
    const bytes = this.peek(length);
    this.#parts[0] = this.#parts[0].subarray(length);
    if (this.#parts[0].length === 0) this.#parts.shift();
    this.length -= length;
    return bytes;
  }

  clear() {
    this.#parts = [];
    this.length = 0;
  }
}

export class Tunnel {
  #exchange;
  #limits;
  #frameMax;
  #in = new ReceiveBuffer();
  #out = [];
  #state;
  #push;
  #pull;
  #nextKey; /* of the peer's stream, until its header comes */
  #renewing = false; /* initiator: type 1 was sent; responder: type 2 was sent */
  #rehandshakes = 0;
  #trailerDue = false;
  #anythingReceived = false;
  #finalReceived = false;
  #finalSent = false;
  #transportEnded = false;
  #data = null; /* the plaintext of one frame, until read() */
  #failure = null;

  constructor(exchange, binding) {
    this.#exchange = exchange;
    this.#limits = new Limits(exchange.settings, exchange.initiator);
    this.#frameMax = binding.length > 0 ? FRAME - FRAME_OVERHEAD : FRAME; /* inside TLS, a frame fits into one record */
    this.#state = exchange.initiator ? 'message 2' : 'message 1';
    if (exchange.initiator) this.#out.push(exchange.first());
  }

  /* A client of the server with this key. `binding`: the exporter value of the TLS connection, or empty on a socket. */
  static client(settings, server, binding = NOTHING) {
    return new Tunnel(new Exchange(settings, true, binding, publicKey(server)), binding);
  }

  static server(settings, binding = NOTHING) {
    return new Tunnel(new Exchange(settings, false, binding), binding);
  }

  /* Bytes that the transport has received. They are kept, not copied. */
  receive(bytes) {
    this.#in.add(bytes);
  }

  receiveEnd() {
    this.#transportEnded = true;
  }

  /* Bytes for the transport, once. */
  dataToSend() {
    const bytes = this.#out.length === 1 ? this.#out[0] : Buffer.concat(this.#out);
    this.#out = [];
    return bytes;
  }

  /* Continues the handshake. Whether the peer is authenticated; if not, more bytes are needed. */
  handshake() {
    this.#checkUsable();
    while (!this.isOpen && this.#step());
    if (!this.isOpen && this.#transportEnded) throw this.#fail(this.#ended());
    return this.isOpen;
  }

  get isOpen() {
    return this.#state === 'open';
  }

  /* Data of the peer, END, or null when more bytes of the transport are needed. */
  read() {
    this.advance();
    if (this.#data !== null) {
      const data = this.#data;
      this.#data = null;
      return data;
    }
    if (this.#finalReceived) return END;
    if (this.#transportEnded) throw this.#fail(this.#ended());
    return null;
  }

  /* Looks at what has come and answers it, up to the next data: for a side that only writes. */
  advance() {
    this.#checkUsable();
    while (this.#data === null && this.#step());
  }

  /* Seals all of it. Data first begins a re-handshake if one is due. */
  write(data) {
    this.#checkUsable();
    refuseIf(this.#finalSent, 'E_CLOSED');
    if (!this.isOpen) throw new Error('the handshake is not complete');
    const { pads, settings } = this.#exchange;
    const most = pads ? this.#frameMax - TRAILER : this.#frameMax;
    for (let at = 0; at < data.length; at += most) {
      const piece = data.subarray(at, at + most);
      const plaintext = pads ? pad(settings.padding, piece, this.#frameMax) : piece;
      this.#checkLimits();
      if (this.#limits.due) this.renew();
      this.#limits.count(plaintext.length);
      this.#send(pads ? PADDED : DATA, plaintext);
      if (pads) wipe(plaintext);
    }
  }

  /* Ends this direction with FINAL. The other one goes on. */
  close() {
    this.#checkUsable();
    if (!this.isOpen) throw new Error('the handshake is not complete');
    if (this.#finalSent) return;
    this.#send(DATA, NOTHING, true);
    this.#finalSent = true;
    this.#push.wipe();
  }

  /* A client: begins a re-handshake now, if one is possible. It goes on by itself. */
  renew() {
    this.#checkUsable();
    if (!this.#exchange.initiator || !this.isOpen || this.#renewing || this.#finalSent || this.#finalReceived || !this.#limits.mayRenew) {
      return false;
    }
    const message = this.#exchange.question();
    this.#renewing = true;
    this.#limits.countRenewal();
    this.#send(HANDSHAKE_1, message);
    return true;
  }

  /* What was agreed on. */
  info() {
    const { pattern, initiator, server, clientKey, clientName, rekey, hash, peerPads } = this.#exchange;
    return { pattern: pattern?.name ?? null, peerKey: initiator ? base64(server) : clientKey, peerName: clientName, rekey,
      rehandshakes: this.#rehandshakes, handshakeHash: hash && Uint8Array.from(hash), peerPads };
  }

  /* Wipes keys and data. The peer is not told; close() does that. */
  free() {
    if (this.#failure === null) this.#fail(new SealError('E_CLOSED'));
  }

  #checkUsable() {
    if (this.#failure !== null) throw this.#failure;
  }

  #fail(error) {
    this.#failure = error;
    this.#exchange.wipe();
    this.#push?.wipe();
    this.#pull?.wipe();
    wipe(this.#nextKey, this.#data);
    this.#data = null;
    this.#out = [];
    this.#in.clear();
    return error;
  }

  #ended() {
    if (this.isOpen || !this.#exchange.initiator) return new SealTruncated();
    const { named } = this.#exchange.pattern;
    return new SealRefused('the server ended the connection during the handshake: it may have no seal at this port, '
      + (named ? "not have the key that is pinned here, or not admit this client's key" : 'or not have the key that is pinned here'),
    named ? 'update-or-enrol' : 'update-app');
  }

  #checkLimits() {
    if (this.#finalSent || this.#finalReceived) return;
    try {
      this.#limits.check();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #send(type, plaintext, isFinal = false) {
    this.#out.push(this.#push.frame(type, plaintext, this.#exchange.rekey, isFinal));
  }

  /* Interprets one message or frame. False: more bytes are needed. */
  #step() {
    try {
      switch (this.#state) {
        case 'message 1': return this.#openMessage1();
        case 'message 2': return this.#openMessage2();
        case 'header': return this.#openHeader();
        default: return this.#openFrame();
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #openMessage1() {
    checkMagic(this.#in.peek(Math.min(this.#in.length, PREAMBLE)));
    if (this.#in.length < PREAMBLE) return false;
    const length = this.#exchange.checkPreamble(this.#in.peek(PREAMBLE));
    if (this.#in.length < PREAMBLE + length) return false;
    const preamble = this.#in.take(PREAMBLE);
    this.#exchange.readFirst(preamble, this.#in.take(length));
    const { message, keys } = this.#exchange.answer();
    const { header } = this.#exchange;
    this.#out.push(Buffer.concat([Uint8Array.of(message.length >> 8, message.length & 255), message, header]));
    this.#push = new SecretStream(keys[1], header);
    this.#nextKey = keys[0];
    wipe(keys[1]);
    this.#state = 'header';
    return true;
  }

  #openMessage2() {
    if (this.#in.length < 2) return false;
    const { pattern } = this.#exchange;
    const [high, low] = this.#in.peek(2);
    const length = high << 8 | low;
    if (length < pattern.messageMin || length > pattern.messageMax) {
      throw new SealError('E_MESSAGE_LENGTH', "an answer that is not the seal's: another server, or a port without it");
    }
    if (this.#in.length < 2 + length + HEADER) return false;
    this.#in.take(2);
    const keys = this.#exchange.readAnswer(this.#in.take(length));
    this.#push = new SecretStream(keys[0], this.#exchange.header);
    this.#pull = new SecretStream(keys[1], this.#in.take(HEADER));
    wipe(...keys);
    this.#out.push(this.#exchange.header);
    this.#send(DATA, NOTHING); /* the confirm */
    this.#limits.start();
    this.#state = 'open';
    return true;
  }

  #openHeader() {
    if (this.#in.length < HEADER) return false;
    this.#pull = new SecretStream(this.#nextKey, this.#in.take(HEADER));
    wipe(this.#nextKey);
    this.#limits.start();
    this.#state = 'confirm';
    return true;
  }

  #openFrame() {
    if (this.#trailerDue && this.#in.length > 0) {
      refuseIf(this.#in.take(1)[0] !== 0, 'E_TRAILER');
      this.#trailerDue = false;
    }
    if (this.#finalReceived) {
      refuseIf(this.#in.length > 0, 'E_AFTER_FINAL');
      return false;
    }
    if (this.#in.length < PREFIX) return false;
    const [type, high, low] = this.#in.peek(PREFIX);
    const length = high << 8 | low;
    this.#checkFrame(type, length);
    if (this.#in.length < PREFIX + length) return false;
    if ((type === DATA || type === PADDED) && length > OVERHEAD) this.#checkLimits();
    const prefix = Uint8Array.from(this.#in.take(PREFIX));
    this.#openComplete(type, this.#pull.open(prefix, this.#in.take(length), this.#exchange.rekey));
    return true;
  }

  /* Types and lengths are checked before the rest of a frame is waited for. */
  #checkFrame(type, length) {
    const { messageMax } = this.#exchange.pattern;
    const most = [FRAME, messageMax, HEADER + messageMax, FRAME][type];
    refuseIf(type > PADDED || (type === PADDED && !this.#exchange.peerPads), 'E_FRAME_TYPE');
    refuseIf(length < OVERHEAD + (type === PADDED ? TRAILER + 1 : 0) || length > OVERHEAD + most, 'E_FRAME_LENGTH');
  }

  #openComplete(type, { plaintext, isFinal }) {
    const first = !this.#anythingReceived;
    this.#trailerDue = true;
    refuseIf(isFinal && (type !== DATA || plaintext.length > 0), 'E_FINAL');
    if (type === HANDSHAKE_1 || type === HANDSHAKE_2) {
      this.#openControl(type, plaintext);
    } else if (isFinal) {
      this.#finalReceived = true;
      this.#renewing = false;
      this.#pull.wipe();
    } else {
      refuseIf(plaintext.length === 0 && (!first || this.#exchange.initiator), 'E_EMPTY');
      this.#limits.count(plaintext.length);
      if (plaintext.length > 0) this.#data = this.#exchange.peerPads ? unpad(type === PADDED, plaintext) : plaintext;
    }
    this.#anythingReceived = true;
    this.#state = 'open';
    /* a program that only receives renews the keys, too */
    if (this.#exchange.initiator && !this.#finalReceived && this.#limits.due) this.renew();
  }

  #openControl(type, content) {
    refuseIf(!this.isOpen, 'E_REHANDSHAKE');
    if (!this.#exchange.initiator) {
      if (type === HANDSHAKE_1) this.#openQuestion(content);
      else this.#openSwitch(content);
      return;
    }
    /* A header and message 2. After FINAL was sent, only the other direction changes. */
    refuseIf(!this.#renewing || type === HANDSHAKE_1, 'E_REHANDSHAKE');
    refuseIf(content.length < HEADER + this.#exchange.pattern.messageMin, 'E_FRAME_LENGTH');
    const keys = this.#exchange.readAnswer(content.subarray(HEADER));
    this.#replacePull(keys[1], content);
    if (!this.#finalSent) {
      this.#send(HANDSHAKE_2, this.#exchange.header);
      this.#replacePush(keys[0]);
    }
    wipe(...keys);
    this.#renewed();
  }

  /* Responder: message 1. After FINAL was sent it cannot be answered, so it is ignored. */
  #openQuestion(message) {
    refuseIf(this.#renewing, 'E_REHANDSHAKE');
    if (this.#finalSent) return;
    refuseIf(!this.#limits.mayRenew, 'E_TOO_OFTEN');
    this.#limits.countRenewal();
    this.#exchange.readQuestion(message);
    const answer = this.#exchange.answer();
    this.#send(HANDSHAKE_2, Buffer.concat([this.#exchange.header, answer.message]));
    this.#replacePush(answer.keys[1]);
    [this.#nextKey] = answer.keys;
    this.#renewing = true;
  }

  /* Responder: a header. */
  #openSwitch(content) {
    refuseIf(!this.#renewing, 'E_REHANDSHAKE');
    refuseIf(content.length !== HEADER, 'E_FRAME_LENGTH');
    this.#replacePull(this.#nextKey, content);
    wipe(this.#nextKey);
    this.#renewed();
  }

  #replacePush(key) {
    this.#push.wipe();
    this.#push = new SecretStream(key, this.#exchange.header);
    wipe(key);
  }

  #replacePull(key, content) {
    this.#pull.wipe();
    this.#pull = new SecretStream(key, content.subarray(0, HEADER));
  }

  #renewed() {
    this.#renewing = false;
    this.#rehandshakes++;
    this.#limits.start();
  }
}
