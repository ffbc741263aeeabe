/*
 * Fetches a page through the inner layer.
 *
 *     node fetch.mjs URL CA-FILE SERVER-PUBLIC-KEY [SECRET-KEY-FILE [SERVICE]]
 *
 * Keys are base64, as pfswrap genkey and pubkey print them. The page goes to stdout, and `STATUS BYTES` to stderr.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { connect } from './sealed.mjs';

const [url, authority, server, secret, service] = process.argv.slice(2);
const key = (text) => Uint8Array.from(Buffer.from(text.split('\n')[0].trim(), 'base64'));
const { hostname, port, pathname } = new URL(url);

const fail = (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
};
const connection = await connect(
  { host: hostname, port: Number(port || 443), servername: hostname, ca: readFileSync(authority) },
  { server: key(server), secret: secret ? key(readFileSync(secret, 'utf8')) : undefined, service },
).catch(fail);
const request = http.request({ createConnection: () => connection, host: hostname, path: pathname, headers: { connection: 'close' } });
request.on('response', (response) => {
  let count = 0;
  response.on('data', (chunk) => {
    count += chunk.length;
    process.stdout.write(chunk);
  });
  response.on('end', () => process.stderr.write(`${response.statusCode} ${count}\n`));
});
request.on('error', fail);
request.end();
