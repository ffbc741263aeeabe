/* Sealed connections to programs under pfswrap: see README.md, and index.d.ts for the types. */
export { SealError, SealKeyError, SealRefused, SealTruncated } from './lib/errors.mjs';
export { SecretKey } from './lib/keys.mjs';
export { hasPostQuantum } from './lib/noise.mjs';
export { makeSettings } from './lib/settings.mjs';
export { SealSocket } from './lib/socket.mjs';
export { END, Tunnel } from './lib/tunnel.mjs';
export { Connector, connect, createServer } from './lib/connect.mjs';
