/*
 * Gets a page over a sealed socket, for example from examples/test-server, and says what a user should do if that fails.
 *
 *     node get.mjs HOST PORT KEY-FILE|- PINNED-KEY [NEXT-PINNED-KEY]
 */
import { SealError, SecretKey, connect } from '../index.mjs';

const [host, port, file, ...server] = process.argv.slice(2);
try {
  const socket = await connect({ host, port: Number(port), timeout: 10000 },
    { server, identity: file === '-' ? undefined : SecretKey.read(file) });
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  for await (const part of socket) process.stdout.write(part); /* its end is authenticated */
  process.stderr.write(`the server's key: ${socket.info.peerKey}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\nwhat to do: ${error instanceof SealError ? error.advice : 'try-later'}\n`);
  process.exitCode = 1;
}
