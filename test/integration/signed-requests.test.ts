import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { stringToSign } from '../../control-plane/identity/signing/signature.ts';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import { until } from '../support/program.ts';

const run = promisify(execFile);
let world: IdentityWorld;
let folder: string;
let key: { id: string; keyId: string; signingSecret: string };

before(async () => {
  world = await createIdentityWorld();
  folder = await mkdtemp(join(tmpdir(), 'imageplane-signed-test-'));
  const admin = await world.adminKey('acme');
  const made = await world.call(admin, 'POST', '/api/v1/applications', { name: 'signer', role: 'editor' });
  assert.equal(made.status, 201);
  key = (await made.json()) as typeof key;
  await world.synced();
});
after(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const PATH = '/s/acme/echo/upload-echo';
async function codeOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.ok) return String(response.status);
  return `${response.status} ${(JSON.parse(text) as { error: { code: string } }).error.code}`;
}

function headersFor(
  body: string | Buffer,
  change: { method?: string; path?: string; query?: string; nonce?: string; at?: number } = {},
): Record<string, string> {
  const { method = 'POST', path = PATH, query = '' } = change;
  const timestamp = String(change.at ?? Math.floor(Date.now() / 1000));
  const nonce = change.nonce ?? randomBytes(12).toString('base64url');
  const bodySha256 = createHash('sha256').update(body).digest('hex');
  const text = stringToSign({ method, path, query }, { timestamp, nonce, bodySha256 });
  const signature = createHmac('sha256', key.signingSecret).update(text).digest('base64url');
  return {
    authorization: `HMAC-SHA256 Credential=${key.keyId}, Signature=${signature}`,
    'x-timestamp': timestamp,
    'x-nonce': nonce,
    'x-content-sha256': bodySha256,
  };
}
const simpleFor = (body: string | Buffer): Record<string, string> => {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const mac = createHmac('sha256', key.signingSecret).update(timestamp).update(body).digest('hex');
  return { authorization: `Bearer ${key.keyId}:${mac}`, 'x-timestamp': timestamp };
};
const post = (headers: Record<string, string>, body: string | Buffer, path = PATH): Promise<Response> =>
  fetch(world.url + path, { method: 'POST', headers, body });

describe('the example clients', () => {
  const clients: [language: string, command: string, file: string[]][] = [
    ['curl', 'sh', ['examples/clients/sign.sh']],
    ['Python', 'python3', ['examples/clients/python/sign.py']],
    ['TypeScript', process.execPath, ['examples/clients/typescript/sign.ts']],
    ['Go', 'go', ['run', 'examples/clients/go/sign.go']],
  ];
  for (const [language, command, file] of clients)
    for (const form of ['native', 'simple'])
      it(`in ${language} sends a picture, signed in the ${form} form`, async () => {
        const picture = join(folder, `${language}-${form}.bin`);
        const bytes = randomBytes(3_000);
        await writeFile(picture, bytes);
        const { stdout } = await run(
          command,
          [...file, ...(form === 'simple' ? ['--simple'] : []), picture],
          {
            encoding: 'buffer',
            env: {
              ...process.env,
              IMAGEPLANE_SERVICE_URL: `${world.url}${PATH}?size=2&name=%E7%8E%8B`,
              IMAGEPLANE_KEY_ID: key.keyId,
              IMAGEPLANE_SECRET: key.signingSecret,
            },
          },
        );
        assert.deepEqual(stdout, bytes);
        const seen = world.upstream.seen.at(-1);
        assert.equal(seen?.url, '/upload-echo?size=2&name=%E7%8E%8B');
        assert.equal(seen.headers['x-user-id'], key.id);
        assert.equal(seen.headers.authorization, undefined);
      });
});

describe('a signed request', () => {
  it('is served once', async () => {
    for (const headers of [headersFor('once'), simpleFor('twice')]) {
      const body = headers['x-nonce'] === undefined ? 'twice' : 'once';
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(headers, body)));
      const codes = await Promise.all(answers.map(codeOf));
      assert.deepEqual(codes.sort(), ['200', ...Array.from({ length: 7 }, () => '401 signature_replayed')]);
    }
  });

  it('reaches the service only as it was signed', async () => {
    const before = world.upstream.seen.length;
    assert.equal(await codeOf(await post(headersFor('a'), 'b')), '400 body_hash_wrong');
    assert.equal(
      await codeOf(await post(headersFor('a', { query: '?x=1' }), 'a', `${PATH}?x=2`)),
      '401 signature_invalid',
    );
    assert.equal(
      await codeOf(await post(headersFor('a', { path: '/s/acme/echo/x' }), 'a')),
      '401 signature_invalid',
    );
    assert.equal(await codeOf(await post(headersFor('a', { method: 'PUT' }), 'a')), '401 signature_invalid');
    assert.equal(
      await codeOf(await post(headersFor('a', { at: 1_700_000_000 }), 'a')),
      '401 signature_invalid',
    );
    assert.equal(await codeOf(await post(simpleFor('a'), 'b')), '401 signature_invalid');
    assert.equal(
      await codeOf(await post({ ...headersFor('a'), 'x-nonce': 'x' }, 'a')),
      '400 signature_malformed',
    );
    assert.equal(await codeOf(await post(simpleFor(''), '', '/api/v1/access-reviews')), '400 signature_form');
    assert.equal(world.upstream.seen.length, before);
  });

  it('works for reading, and for the API', async () => {
    const read = (path: string): Promise<Response> =>
      fetch(world.url + path, { headers: headersFor('', { method: 'GET', path }) });
    assert.equal((await read('/s/acme/echo/x')).status, 200);
    const me = (await (await read('/api/v1/me')).json()) as { id: string };
    assert.equal(me.id, key.id);
  });

  it('of megabytes is held back on the disk, passes whole, and leaves nothing behind', async () => {
    const body = randomBytes(3_000_000);
    for (const headers of [headersFor(body), simpleFor(body)]) {
      const answer = await post(headers, body);
      assert.equal(answer.status, 200);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), body);
    }
    assert.deepEqual(await readdir(world.spool), []);
    const large = randomBytes(5_000_000);
    for (const headers of [headersFor(large), simpleFor(large)]) {
      assert.equal(await codeOf(await post(headers, large)), '413 body_too_large');
    }
  });

  it('sent in pieces, without a length, is hashed as a whole', async () => {
    const pieces = new ReadableStream({
      start(controller) {
        for (const piece of ['one ', 'two ', 'three']) controller.enqueue(Buffer.from(piece));
        controller.close();
      },
    });
    const init: RequestInit = {
      method: 'POST',
      headers: headersFor('one two three'),
      body: pieces,
      duplex: 'half',
    };
    const answer = await fetch(world.url + PATH, init);
    assert.equal(await answer.text(), 'one two three');
  });

  it('of before a restart is not served again after it', async () => {
    const headers = headersFor('again');
    assert.equal((await post(headers, 'again')).status, 200);
    await world.gateway.stop('SIGKILL');
    await until(
      'another second has begun',
      () => Math.floor(Date.now() / 1000) > Number(headers['x-timestamp']),
    );
    await world.startGateway();
    assert.equal(await codeOf(await post(headers, 'again')), '503 signature_unverifiable');
    assert.equal((await post(headersFor('again'), 'again')).status, 200);
  });
});
