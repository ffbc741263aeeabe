/*
 * Fetches a page through the inner layer, with the package of clients/node (run `npm ci` there first).
 *
 *     node fetch.mjs URL CA-FILE SERVER-PUBLIC-KEY[,NEXT-PUBLIC-KEY] [SECRET-KEY-FILE|- [SERVICE]]
 *
 * Keys are base64, as pfswrap genkey and pubkey print them. The page goes to stdout, and `STATUS BYTES` to stderr.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { SecretKey, connect } from '../../clients/node/index.mjs';

const [url, authority, keys, secret = '-', service] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);

const fail = (error) => {
  process.stderr.write(`${error.message}\n${error.advice ? `what to do: ${error.advice}\n` : ''}`);
  process.exit(1);
};
const connection = await connect(
  { host: hostname, port: Number(port || 443), tls: { ca: readFileSync(authority), ALPNProtocols: ['http/1.1'] } },
  { server: keys.split(','), identity: secret === '-' ? undefined : SecretKey.read(secret), service },
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
