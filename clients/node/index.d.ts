/** Sealed connections to programs under pfswrap. README.md explains the settings, docs/WIRE.md the protocol. */
import type { Server } from 'node:net';
import { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';

/** The name of an error in docs/WIRE.md, or of one of this side alone. */
export type SealErrorCode = `E_${string}`;

/** What an app should do (docs/MOBILE.md, "What the user sees"). Never: connect without the seal. */
export type Advice = 'try-later' | 'update-app' | 'update-or-enrol' | 'repeat-request' | 'report';

/** A sealed connection cannot begin or continue. The message has no secret and no data. */
export class SealError extends Error {
  readonly code: SealErrorCode;
  readonly advice: Advice;
}

/** The server ended the connection during the handshake, or did not answer in time. */
export class SealRefused extends SealError {}

/** The connection ended without FINAL: what was received is not complete. */
export class SealTruncated extends SealError {}

/** A key, or a file with one, is not valid. The message says where, and nothing of the key. */
export class SealKeyError extends TypeError {}

/** 32 bytes, or base64 as `pfswrap pubkey` prints it. */
export type PublicKey = string | Uint8Array;

/** An identity or a preshared key. It shows nothing of itself in logs. */
export class SecretKey {
  /** From base64 or 32 bytes, which are copied. */
  constructor(key: string | Uint8Array);
  static generate(): SecretKey;
  /** From a file of `pfswrap genkey` or `genpsk`, which others cannot read. */
  static read(file: string): SecretKey;
  /** In base64. */
  readonly publicKey: string;
  /** The secret in base64, to be kept in a key store. */
  export(): string;
  /** Overwrites the key. Settings that have it cannot be used any more. */
  destroy(): void;
}

export type Secret = SecretKey | string | Uint8Array;

export interface SealOptions {
  /** A client's identity; without one, it is anonymous. All identities of a server. */
  identity?: Secret | Secret[];
  /** A client: the pinned keys of its server, the current one and then the next one. */
  server?: PublicKey | PublicKey[];
  /** A server: the clients that it admits, by name. */
  clients?: Record<string, PublicKey | PublicKey[]>;
  /** A server: admits every client, named or not. */
  anonymousClients?: boolean;
  /** Preshared keys, best first, at most 16. With them, only psk patterns are used. */
  psks?: Secret | Secret[];
  /** The service of the server's rule: at most 63 bytes. */
  service?: string;
  /** The most frames between two rekeys; 1 by default. */
  rekey?: number;
  /** A number is a block size, a power of 2 from 16 to 16384. */
  padding?: 'off' | 'allow' | 'padme' | number;
  /** A client uses hybrid handshakes unless it is 'off', and never falls back. */
  postQuantum?: 'off' | 'allow' | 'require';
  /** The age of the keys and the bytes in both directions at which a client begins a re-handshake. */
  renewSeconds?: number;
  renewBytes?: number;
  /** Milliseconds that a handshake may take; 10,000 by default. */
  handshakeTimeout?: number;
}

/** Settings that were checked. */
export interface SealSettings {
  readonly handshakeTimeout: number;
}

export function makeSettings(options: SealOptions): SealSettings;

export interface Where {
  /** 'localhost' by default. */
  host?: string;
  port: number;
  /** Milliseconds that the TCP or TLS connection may take. */
  timeout?: number;
  /** Inside TLS 1.3: the options of tls.connect(), such as `ca`. The certificate and its name are always verified. */
  tls?: ConnectionOptions;
}

export interface SealInfo {
  /** 'IK', 'NKpsk2' ... */
  pattern: string | null;
  /** In base64; null: anonymous. */
  peerKey: string | null;
  /** The client's name at a server. */
  peerName: string | null;
  rekey: number;
  rehandshakes: number;
  /** The same on both sides, and not secret. */
  handshakeHash: Uint8Array | null;
  /** All data of the peer is padded. */
  peerPads: boolean;
}

/** A sealed connection. It ends ('end') only at the authenticated end, and else with an error. */
export class SealSocket extends Duplex {
  readonly info: SealInfo;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  /** A client: begins a re-handshake now, if one is possible. They also begin by themselves. */
  renew(): boolean;
  setTimeout(milliseconds: number, callback?: () => void): this;
  setNoDelay(on?: boolean): this;
  setKeepAlive(on?: boolean, delay?: number): this;
  ref(): this;
  unref(): this;
}

/** Connections to one server. It remembers which pinned key worked. */
export class Connector {
  constructor(where: Where, options: SealOptions);
  /** Settings for new connections: another identity during a rotation, other pins. */
  replace(options: SealOptions): void;
  /** The pinned key that worked last, in base64. */
  readonly workingPin: string | null;
  preferPin(key: string): void;
  connect(): Promise<SealSocket>;
  /** Connects again after failures of the network, with longer waits from `least` to `most` milliseconds. */
  reconnect(options?: { attempts?: number; least?: number; most?: number; signal?: AbortSignal }): Promise<SealSocket>;
}

/** One connection. */
export function connect(where: Where, options: SealOptions): Promise<SealSocket>;

export interface SealServer extends Server {
  on(event: 'secureConnection', listener: (socket: SealSocket) => void): this;
  on(event: 'refused', listener: (error: Error) => void): this;
  on(event: string, listener: (...values: any[]) => void): this;
}

/** Accepts sealed connections over TCP. */
export function createServer(options: SealOptions, listener?: (socket: SealSocket) => void): SealServer;

/** What Tunnel.read() returns at the authenticated end. */
export const END: unique symbol;

/** One sealed connection without I/O. Send what dataToSend() returns after every call. */
export class Tunnel {
  private constructor();
  /** `binding`: the exporter value of the TLS connection, 32 bytes; nothing on a socket. */
  static client(settings: SealSettings, server: PublicKey, binding?: Uint8Array): Tunnel;
  static server(settings: SealSettings, binding?: Uint8Array): Tunnel;
  receive(bytes: Uint8Array): void;
  receiveEnd(): void;
  dataToSend(): Uint8Array;
  /** Whether the peer is authenticated; if not, more bytes are needed. */
  handshake(): boolean;
  readonly isOpen: boolean;
  /** Data, END, or null when more bytes are needed. */
  read(): Uint8Array | typeof END | null;
  advance(): void;
  write(data: Uint8Array): void;
  close(): void;
  renew(): boolean;
  info(): SealInfo;
  free(): void;
}

/** Whether handshakes can be hybrid: @noble/post-quantum is installed. */
export const hasPostQuantum: boolean;
