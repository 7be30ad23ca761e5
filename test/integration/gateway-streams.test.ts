import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { until } from '../support/program.ts';
import { createClient, codeOf, type Client } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

let world: World;
let client: Client;
before(async () => {
  world = await createWorld();
  client = createClient(world);
});
after(async () => {
  await world.close();
});

describe('streams', () => {
  it('passes each server-sent event on at once, and ends the stream at the service when the client leaves', async () => {
    const abort = new AbortController();
    const response = await client.call('/s/acme/pages/events', 'ada', { signal: abort.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (const text of ['one', 'two']) {
      world.upstream.emit(text);
      assert.equal((await reader?.read())?.value, `data: ${text}\n\n`);
    }
    abort.abort();
    await until('the service sees the client leave', () => world.upstream.open() === 0);
  });

  it('joins a WebSocket, charges it, and ends it when its key is revoked', async () => {
    const socket = new WebSocket(`${world.url.replace('http', 'ws')}/s/acme/pages/socket`, {
      headers: { ...client.auth('ada'), 'x-user-id': 'mallory' },
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    const echoed = new Promise<string>((resolve) =>
      socket.once('message', (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    socket.send('hello');
    assert.equal(await echoed, 'hello');
    const seen = world.upstream.seen.at(-1);
    assert.equal(seen?.headers['x-user-id'], 'ada');
    const id = String(seen.headers['x-request-id']);
    await until('it is charged', async () => (await client.stateOf(id)) === 'charged');
    const { hash = '' } = world.keys['ada'] ?? {};
    const entry = world.snapshot.keys[hash];
    await world.publish(({ keys }) => {
      Reflect.deleteProperty(keys, hash);
    });
    await closed;
    await world.publish(({ keys }) => {
      if (entry !== undefined) keys[hash] = entry;
    });
  });

  it('answers a WebSocket without a key with an HTTP error', async () => {
    const socket = new WebSocket(`${world.url.replace('http', 'ws')}/s/acme/pages/socket`);
    const status = await new Promise((resolve) => {
      socket.once('unexpected-response', (_request, response) => {
        resolve(response.statusCode);
      });
      socket.on('error', () => undefined);
    });
    assert.equal(status, 401);
  });
});

describe('a browser', () => {
  const html = { accept: 'text/html' };
  const signIn = (key: string, next: string, origin = world.url): Promise<Response> =>
    fetch(`${world.url}/auth/sign-in`, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin },
      body: new URLSearchParams({ key, next }),
    });
  const cookieOf = (response: Response): string => response.headers.get('set-cookie')?.split(';')[0] ?? '';

  it('is sent to the sign-in page, signs in with a key, and is taken back', async () => {
    const page = '/s/acme/pages/page?x=1';
    const away = await fetch(world.url + page, { headers: html, redirect: 'manual' });
    assert.equal(away.status, 303);
    const form = await fetch(new URL(away.headers.get('location') ?? '', world.url));
    assert.match(await form.text(), /value="\/s\/acme\/pages\/page\?x=1"/);
    assert.match(form.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    const back = await signIn(client.keyOf('ada'), page);
    assert.deepEqual([back.status, back.headers.get('location')], [303, page]);
    assert.match(back.headers.get('set-cookie') ?? '', /; HttpOnly; SameSite=Lax$/);
    const shown = await fetch(world.url + page, { headers: { ...html, cookie: `${cookieOf(back)}; app=1` } });
    assert.equal(await shown.text(), '<h1>page</h1>');
    assert.equal(world.upstream.seen.at(-1)?.headers.cookie, 'app=1');
    assert.deepEqual(shown.headers.getSetCookie(), ['app=1; Path=/s/acme/pages/']);
    assert.equal(shown.headers.get('service-worker-allowed'), null);
  });

  it('stays on this host after signing in, whatever the form says', async () => {
    for (const next of ['https://evil.example/', '//evil.example', '/s/a/b/../x', '/api/v1/keys'])
      assert.equal((await signIn(client.keyOf('ada'), next)).headers.get('location'), '/');
  });

  it('is not signed in by another site or with a wrong key', async () => {
    assert.equal(
      await codeOf(await signIn(client.keyOf('ada'), '/', 'https://evil.example')),
      '403 cross_origin',
    );
    const wrong = await signIn('nonsense', '/');
    assert.deepEqual([wrong.status, wrong.headers.get('set-cookie')], [401, null]);
  });

  it('may change things with its session only from a page of the same origin, and not at the API', async () => {
    const cookie = cookieOf(await signIn(client.keyOf('ada'), '/'));
    const post = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${world.url}/s/acme/pages/run`, { method: 'POST', headers: { cookie, ...headers } });
    assert.equal((await post({ origin: world.url })).status, 200);
    assert.equal(await codeOf(await post({})), '403 cross_origin');
    assert.equal(await codeOf(await post({ origin: 'https://evil.example' })), '403 cross_origin');
    const atApi = await fetch(`${world.url}/api/v1/usage`, { headers: { cookie } });
    assert.equal(await codeOf(atApi), '401 credentials_missing');
  });

  it('finds a redirect of a service back under its prefix', async () => {
    const response = await client.call('/s/acme/pages/moved', 'ada');
    assert.equal(response.headers.get('location'), '/s/acme/pages/page');
    const bare = await fetch(`${world.url}/s/acme/pages?x=1`, { redirect: 'manual' });
    assert.deepEqual([bare.status, bare.headers.get('location')], [308, '/s/acme/pages/?x=1']);
  });
});
