import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createGunzip, gunzipSync } from 'node:zlib';
import { createEndpoints } from '../../control-plane/gateway/endpoints.ts';
import { forward, type ForwardResult } from '../../control-plane/gateway/forward.ts';
import { until } from '../support/program.ts';
import { type Client, createClient } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

const APP = 'https://app.example.com';

let world: World;
let client: Client;

before(async () => {
  world = await createWorld();
  client = createClient(world);
});
after(async () => {
  await world.close();
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** As it is on the wire: `fetch` would decompress, and does not let `Origin` be set. */
function ask(path: string, headers: Record<string, string>, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(world.url + path, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        });
      });
    })
      .once('error', reject)
      .end();
  });
}
const namesOf = (headers: IncomingHttpHeaders): string[] =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'));
const PAGE = '/s/acme/pages';

describe('text', () => {
  const gzip = { 'accept-encoding': 'gzip' };
  const text = (more = ''): string => `${PAGE}/text?bytes=20000${more}`;
  const auth = (): Record<string, string> => client.auth('ada');

  it('of a service comes compressed to a client that takes it so, and as it is to others', async () => {
    const plain = await ask(text(), auth());
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.match(plain.headers.vary ?? '', /accept-encoding/);
    const packed = await ask(text(), { ...auth(), ...gzip });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(packed.headers['content-length'], undefined);
    assert.equal(packed.headers.etag, 'W/"1"');
    assert.match(packed.headers.vary ?? '', /accept-encoding/);
    assert.ok(packed.body.length < plain.body.length / 10, String(packed.body.length));
    assert.deepEqual(gunzipSync(packed.body), plain.body);
  });

  it('is left alone when it is small, encoded, not to be changed, an event stream or no text, and for HEAD', async () => {
    for (const more of [
      '&content-encoding=br',
      '&cache-control=no-transform',
      '&type=image/png',
      '&type=text/event-stream',
    ])
      assert.notEqual(
        (await ask(text(more), { ...auth(), ...gzip })).headers['content-encoding'],
        'gzip',
        more,
      );
    const small = await ask(`${PAGE}/text?bytes=500`, { ...auth(), ...gzip });
    assert.equal(small.headers['content-encoding'], undefined);
    const head = await ask(text(), { ...auth(), ...gzip }, 'HEAD');
    assert.equal(head.headers['content-encoding'], undefined);
    assert.equal(head.body.length, 0);
  });

  it("of the gateway's own comes compressed too", async () => {
    const home = await ask('/', { ...gzip, accept: 'text/html' });
    assert.equal(home.headers['content-encoding'], 'gzip');
    assert.match(home.headers.vary ?? '', /accept-language.*accept-encoding/);
    assert.match(gunzipSync(home.body).toString(), /^<!doctype html>/);
  });
});

describe('an answer that is compressed on its way', () => {
  let service: Server;
  let edge: Server;
  let results: ForwardResult[];
  let pay: () => void;
  let paying: Promise<void>;
  const body = Buffer.from(Array.from({ length: 60_000 }, (_, index) => String(index)).join(' '));
  const endpoints = createEndpoints(() => performance.now());

  const listen = (server: Server): Promise<void> =>
    new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;

  before(async () => {
    results = [];
    service = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
      response.write(body.subarray(0, body.length - 5));
      if (_request.url === '/half') return;
      setImmediate(() => response.end(body.subarray(body.length - 5)));
    });
    await listen(service);
    edge = createServer((incoming, response) => {
      const endpoint = endpoints.pick([`http://127.0.0.1:${portOf(service)}`]);
      assert.ok(endpoint);
      void forward({
        ...{ request: incoming, response, endpoint, path: incoming.url ?? '/', headers: ['host', 'service'] },
        ...{ maxBodyBytes: 0, timeoutMs: 5_000, spooled: undefined, compress: true },
        responseHeaders: (raw) => raw,
        transfer: { bytesIn: 0, bytesOut: 0 },
        onStart: () => undefined,
        onAnswer: () => undefined,
        beforeEnd: () => paying,
        signal: new AbortController().signal,
      }).then((result) => results.push(result));
    });
    await listen(edge);
  });
  after(async () => {
    for (const server of [edge, service]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await endpoints.close();
  });

  it('is not whole at the client before it is charged', async () => {
    paying = new Promise((resolve) => {
      pay = resolve;
    });
    let text = '';
    let ended = false;
    request(`http://127.0.0.1:${portOf(edge)}/`, (response) => {
      const gunzip = response.pipe(createGunzip());
      gunzip.on('data', (chunk: Buffer) => (text += chunk.toString()));
      gunzip.once('end', () => (ended = true));
    }).end();
    await until('most of it has come', () => text.length > body.length / 2);
    assert.equal(ended, false);
    assert.ok(text.length < body.length, 'the last bytes came before they were paid for');
    pay();
    await until('the rest has come', () => ended);
    assert.equal(text, body.toString());
    assert.deepEqual(results, [{ kind: 'completed', status: 200 }]);
  });

  it('ends when its client goes away', async () => {
    results = [];
    paying = Promise.resolve();
    const asked = request(`http://127.0.0.1:${portOf(edge)}/half`, (response) => {
      response.once('data', () => response.destroy());
    });
    asked.on('error', () => undefined);
    asked.end();
    await until('it has ended', () => results.length > 0);
    assert.deepEqual(results, [{ kind: 'client-gone', status: 200 }]);
  });
});

describe('the edge', () => {
  it('gives its own answers the headers that keep browsers from misusing them', async () => {
    for (const path of ['/nothing', '/healthz', '/s/acme/pages', '/s/acme/pages/'] as const) {
      const { headers } = await ask(path, {});
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
      assert.equal(headers['cache-control'], 'no-store', path);
      assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, path);
    }
  });

  it('answers for its hosts alone', async () => {
    assert.equal((await ask('/healthz', { host: 'gateway.example' })).status, 200);
    assert.equal((await ask('/healthz', { host: 'evil.example' })).status, 421);
  });

  it('logs how long a request took, and from where it came by the last entry that a stranger did not write', async () => {
    await world.gateway.stop();
    await world.startGateway({ trustedProxies: ['127.0.0.1/32', '10.0.0.0/8'] });
    const forwarded = '192.0.2.66, 203.0.113.9, 10.0.0.2';
    const { headers } = await ask('/healthz', { 'x-forwarded-for': forwarded });
    const id = String(headers['x-request-id']);
    const line = (): string | undefined =>
      world.gateway
        .log()
        .split('\n')
        .find((text) => text.includes(id));
    await until('it is logged', () => line() !== undefined);
    const logged = JSON.parse(line() ?? '') as { ms: number; clientIp: string };
    assert.ok(logged.ms >= 0);
    assert.equal(logged.clientIp, '203.0.113.9');
  });
});

describe('a page of another origin', { concurrency: false }, () => {
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  };
  const service = `${PAGE}/text?bytes=10`;

  it('may do nothing unless it is listed', async () => {
    await world.gateway.stop();
    await world.startGateway();
    const asked = await ask(service, { origin: APP, ...preflight }, 'OPTIONS');
    assert.equal(asked.status, 401);
    const served = await ask(service, { origin: APP, ...client.auth('ada') });
    assert.equal(served.status, 200);
    // What the service says of other origins is not for it to say.
    assert.deepEqual([...namesOf(asked.headers), ...namesOf(served.headers)], []);
  });

  it('asks the gateway first, and is answered without a credential', async () => {
    await world.gateway.stop();
    await world.startGateway({ cors: { origins: [APP] } });
    const before = world.upstream.seen.length;
    const { status, headers } = await ask(service, { origin: APP, ...preflight }, 'OPTIONS');
    assert.equal(status, 204);
    assert.equal(headers['access-control-allow-origin'], APP);
    assert.match(String(headers['access-control-allow-headers']), /authorization/);
    assert.match(headers.vary ?? '', /origin/);
    assert.equal(headers['access-control-allow-credentials'], undefined);
    const other = await ask(service, { origin: `${APP}.evil.example`, ...preflight }, 'OPTIONS');
    assert.equal(other.status, 403);
    assert.deepEqual(namesOf(other.headers), []);
    assert.equal(world.upstream.seen.length, before);
  });

  it('reads answers to its keys, refusals included', async () => {
    const served = await ask(service, { origin: APP, ...client.auth('ada') });
    const refused = await ask('/api/v1/me', { origin: APP, authorization: 'Bearer wrong' });
    assert.deepEqual([served.status, refused.status], [200, 401]);
    for (const { headers } of [served, refused]) {
      assert.equal(headers['access-control-allow-origin'], APP);
      assert.equal(headers['access-control-allow-credentials'], undefined);
      assert.match(headers.vary ?? '', /origin/);
    }
  });

  it('reads nothing with a cookie, from elsewhere, or where people sign in', async () => {
    for (const [path, headers] of [
      [service, { origin: APP, cookie: 'imageplane_session=x' }],
      [service, { origin: APP, cookie: 'a=b', ...client.auth('ada') }],
      [service, { origin: 'https://evil.example', ...client.auth('ada') }],
      ['/auth/sign-in', { origin: APP, authorization: 'Bearer x' }],
      ['/healthz', { origin: APP, authorization: 'Bearer x' }],
    ] as const)
      assert.deepEqual(namesOf((await ask(path, headers)).headers), [], JSON.stringify([path, headers]));
    assert.match((await ask(service, client.auth('ada'))).headers.vary ?? '', /origin/);
  });
});
