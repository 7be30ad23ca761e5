// Sends a photo to a service of Imageplane, signed, and writes the answer to standard output. Node 24, nothing to install.
// usage: IMAGEPLANE_SERVICE_URL=… IMAGEPLANE_KEY_ID=… IMAGEPLANE_SECRET=… node sign.ts [--simple] FILE >ANSWER
// CONTENT_TYPE is image/jpeg unless it is set.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

interface Key {
  id: string;
  secret: string;
}

const now = (): string => String(Math.floor(Date.now() / 1000));

/** Binds method, path, query, time, nonce and body. */
function nativeHeaders(key: Key, method: string, url: URL, body: Uint8Array): Record<string, string> {
  const timestamp = now();
  const nonce = randomBytes(16).toString('base64url');
  const hash = createHash('sha256').update(body).digest('hex');
  // Path and query byte for byte as they are sent.
  const query = url.search.replace(/^\?/, '');
  const text = ['IMGW1-HMAC-SHA256', timestamp, nonce, method, url.pathname, query, hash].join('\n');
  const signature = createHmac('sha256', key.secret).update(text).digest('base64url');
  return {
    authorization: `HMAC-SHA256 Credential=${key.id}, Signature=${signature}`,
    'x-timestamp': timestamp,
    'x-nonce': nonce,
    'x-content-sha256': hash,
  };
}

/** Binds time and body alone. */
function simpleHeaders(key: Key, body: Uint8Array): Record<string, string> {
  const timestamp = now();
  const signature = createHmac('sha256', key.secret).update(timestamp).update(body).digest('hex');
  return { authorization: `Bearer ${key.id}:${signature}`, 'x-timestamp': timestamp };
}

const environment = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const url = new URL(environment('IMAGEPLANE_SERVICE_URL'));
const key: Key = { id: environment('IMAGEPLANE_KEY_ID'), secret: environment('IMAGEPLANE_SECRET') };
const body = await readFile(process.argv.at(-1) ?? '');
const signed = process.argv.includes('--simple')
  ? simpleHeaders(key, body)
  : nativeHeaders(key, 'POST', url, body);
const answer = await fetch(url, {
  method: 'POST',
  headers: { ...signed, 'content-type': process.env['CONTENT_TYPE'] ?? 'image/jpeg' },
  body,
});
process.stdout.write(Buffer.from(await answer.arrayBuffer()));
if (!answer.ok) {
  process.stderr.write(`HTTP ${answer.status}\n`);
  process.exitCode = 1;
}
