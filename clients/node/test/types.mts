/* Uses of the types of index.d.ts, which `npm run types` checks. Nothing of it runs. */
import { Connector, END, SealError, SealRefused, SealSettings, SecretKey, Tunnel, connect, createServer, makeSettings } from 'pfswrap-seal';

export async function client(): Promise<number> {
  const connector = new Connector({ host: 'db.example.org', port: 7000, tls: { ca: 'PEM' } },
    { identity: SecretKey.read('/etc/app/app.key'), server: ['CURRENT', 'NEXT'], padding: 'padme' });
  try {
    const socket = await connector.reconnect({ attempts: 3 });
    socket.on('data', (data: Buffer) => process.stdout.write(data));
    socket.end('hello');
    return socket.info.rehandshakes;
  } catch (error) {
    if (error instanceof SealRefused) return error.advice === 'update-app' ? 1 : 2;
    if (error instanceof SealError) return error.code.length;
    throw error;
  }
}

export function tunnel(key: Uint8Array): Uint8Array | null {
  const settings: SealSettings = makeSettings({ server: key });
  const made = Tunnel.client(settings, key);
  const data = made.read();
  return data === END ? null : data;
}

export const server = createServer({ identity: SecretKey.generate(), clients: { app: 'KEY' } }, (socket) => socket.pipe(socket));
server.on('refused', (error) => console.error(error.message));

// @ts-expect-error: a setting that does not exist
void connect({ port: 1 }, { pin: 'KEY' });
// @ts-expect-error: a word that is not one
void connect({ port: 1 }, { server: 'KEY', postQuantum: 'yes' });
