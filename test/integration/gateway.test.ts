import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { API_AUDIENCE, verifyAssertion } from '../../contracts/assertion.ts';
import { until } from '../support/program.ts';
import { createClient, codeOf, errorOf, type Client } from './gateway/client.ts';
import { createWorld, policy, type World } from './gateway/setup.ts';

let world: World;
let client: Client;
before(async () => {
  world = await createWorld();
  client = createClient(world);
});
after(async () => {
  await world.close();
});

describe('a request that is in order', () => {
  it('reaches the service with an assertion that opens exactly this request, and is charged once', async () => {
    const response = await client.call('/s/acme/cutout/api/remove?a=1', 'ada', {
      method: 'POST',
      body: 'photo',
    });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'echo POST /api/remove?a=1');
    const id = response.headers.get('x-request-id');
    const seen = world.upstream.seen.at(-1);
    assert.equal(seen?.headers['x-request-id'], id);
    const verified = await verifyAssertion(
      String(seen.headers['x-imageplane-assertion']),
      { audience: 'acme/cutout', method: 'POST', target: '/api/remove?a=1' },
      world.jwks,
      new Date(),
    );
    assert.ok(verified.ok);
    assert.equal(verified.claims.jti, id);
    assert.equal(verified.claims.principal.id, 'ada');
    assert.equal(seen.headers.authorization, undefined);
    await client.settlesAs(response, 'charged');
    // The audit record may come with the next batch.
    await client.delivered();
    const { rows } = await world.db.query<{ allowed: boolean; rule: string; detail: { path: string } }>(
      'SELECT allowed, rule, detail FROM imageplane.audit_record WHERE id = $1',
      [id],
    );
    assert.deepEqual(
      [rows[0]?.allowed, rows[0]?.rule, rows[0]?.detail.path],
      [true, 'role:developer', '/s/acme/cutout/api/remove'],
    );
    assert.match(response.headers.get('ratelimit') ?? '', /^"requests";r=\d+;t=60$/);
    assert.equal(response.headers.get('ratelimit-policy'), '"requests";q=1000;w=60');
  });

  it('streams a body through in both directions, byte for byte', async () => {
    const body = randomBytes(900_000);
    const response = await client.call('/s/acme/pages/upload-echo', 'ada', { method: 'POST', body });
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), body);
  });

  it('is forwarded to the API with an assertion for the API', async () => {
    const response = await client.call('/api/v1/usage?from=x', 'vic');
    assert.equal(await response.text(), 'api');
    const seen = world.snapshots.apiSeen.at(-1);
    const verified = await verifyAssertion(
      seen?.assertion,
      { audience: API_AUDIENCE, method: 'GET', target: '/api/v1/usage?from=x' },
      world.jwks,
      new Date(),
    );
    assert.ok(verified.ok);
  });

  it('is released when the service fails, and says that it failed when the service breaks off', async () => {
    const failed = await client.call('/s/acme/cutout/fail', 'ada', { method: 'POST', body: 'x' });
    assert.equal(failed.status, 500);
    await client.settlesAs(failed, 'released');
    const broken = await client.call('/s/acme/cutout/break', 'ada', { method: 'POST', body: 'x' });
    await assert.rejects(broken.text());
    await client.settlesAs(broken, 'released');
    const dead = await client.call('/s/acme/dead/x', 'ada', { method: 'POST', body: 'x' });
    assert.equal(await codeOf(dead), '502 upstream_unreachable');
    await client.settlesAs(dead, 'released');
  });
});

describe('the edge', () => {
  it('asks for a key, and tells a wrong one from none', async () => {
    assert.equal(await codeOf(await fetch(`${world.url}/s/acme/cutout/`)), '401 credentials_missing');
    const wrong = await fetch(`${world.url}/s/acme/cutout/`, {
      headers: { 'x-api-key': `ipk_aaaaaaaaaaaa_${'b'.repeat(43)}` },
    });
    assert.match(wrong.headers.get('www-authenticate') ?? '', /^Bearer .*invalid_token/);
    assert.equal(await codeOf(wrong), '401 key_unknown');
    const both = await fetch(`${world.url}/s/acme/cutout/`, {
      headers: { ...client.auth('ada'), 'x-api-key': client.keyOf('ada') },
    });
    assert.equal(await codeOf(both), '400 credentials_ambiguous');
  });

  it('answers in Chinese to who prefers it', async () => {
    const response = await fetch(`${world.url}/s/acme/cutout/`, {
      headers: { 'accept-language': 'zh-CN,zh;q=0.9,en;q=0.5' },
    });
    assert.match((await errorOf(response)).message, /密钥/);
  });

  it('answers people in a browser with a page, in their language, and programs with JSON', async () => {
    const ask = (accept: string, path = '/nowhere', method = 'GET'): Promise<Response> =>
      fetch(world.url + path, { method, headers: { accept, 'accept-language': 'zh-CN' } });
    const browser = await ask('text/html,application/xhtml+xml,*/*;q=0.8');
    const page = await browser.text();
    assert.equal(browser.status, 404);
    assert.match(browser.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(browser.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.match(page, /<html lang="zh-CN">/);
    assert.match(page, /此路径不存在。/);
    assert.match(page, /<code>not_found<\/code>/);
    assert.ok(page.includes(browser.headers.get('x-request-id') ?? 'none'));
    assert.match(page, /<a href="\/">/);
    const others = [
      await ask('*/*'),
      await ask('application/json'),
      await ask('application/json, text/html;q=0.1'),
      await ask('text/html', '/nowhere', 'POST'),
    ];
    for (const response of others) assert.equal((await errorOf(response)).code, 'not_found');
  });

  it("hides another tenant's service behind the answer for one that does not exist", async () => {
    const foreign = await errorOf(await client.call('/s/burp/cutout/', 'ada'));
    const missing = await errorOf(await client.call('/s/burp/nothing/', 'ada'));
    const own = await errorOf(await client.call('/s/acme/nothing/', 'ada'));
    assert.equal(foreign.code, 'service_not_found');
    assert.deepEqual(foreign, missing);
    assert.deepEqual(foreign, own);
    // A refusal is recorded after it is answered.
    const rules = async (): Promise<string[]> => {
      const { rows } = await world.db.query<{ rule: string }>(
        "SELECT rule FROM imageplane.audit_record WHERE resource = 'service:burp/cutout' AND principal = 'ada'",
      );
      return rows.map(({ rule }) => rule);
    };
    await until('it is recorded', async () => (await rules()).length > 0);
    assert.deepEqual(await rules(), ['tenant-isolation']);
  });

  it('holds to the roles and the addresses of a tenant', async () => {
    assert.equal(
      await codeOf(await client.call('/s/acme/cutout/', 'vic', { method: 'POST' })),
      '403 access_denied',
    );
    assert.equal(
      await codeOf(await client.call('/s/fenced/cutout/', 'far', { method: 'POST' })),
      '403 access_denied',
    );
  });

  it('holds a key to its scopes, at the services and at the API', async () => {
    await world.publish((snapshot) => {
      const key = snapshot.keys[world.keys['ada']?.hash ?? ''];
      assert.ok(key);
      key.scopes = { services: ['cutout'] };
    });
    try {
      assert.equal((await client.call('/s/acme/cutout/', 'ada', { method: 'POST' })).status, 200);
      for (const path of ['/s/acme/pages/', '/api/v1/me'])
        assert.equal(await codeOf(await client.call(path, 'ada', { method: 'POST' })), '403 access_denied');
    } finally {
      await world.publish((snapshot) => {
        const key = snapshot.keys[world.keys['ada']?.hash ?? ''];
        if (key !== undefined) delete key.scopes;
      });
    }
  });

  it('refuses paths with two readings, foreign hosts, keys in URLs, and floods of headers', async () => {
    const head = (path: string, host = '127.0.0.1', more = ''): string =>
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
    assert.match(await client.raw(head('/s/acme/cutout/%2e%2e/x')), /^HTTP\/1\.1 400 [^]*path_not_canonical/);
    assert.match(await client.raw(head('/s/acme//cutout/')), /^HTTP\/1\.1 400 [^]*path_not_canonical/);
    assert.match(await client.raw(head('/', 'evil.example')), /^HTTP\/1\.1 421 [^]*host_not_allowed/);
    assert.match(await client.raw(head('/', 'x/#@127.0.0.1')), /^HTTP\/1\.1 421 [^]*host_not_allowed/);
    assert.match(
      await client.raw(head('/', '127.0.0.1', 'Host: evil.example\r\n')),
      /^HTTP\/1\.1 400 [^]*host_missing/,
    );
    assert.match(await client.raw(head(`/?key=${client.keyOf('ada')}`)), /^HTTP\/1\.1 400 [^]*key_in_url/);
    assert.match(
      await client.raw(head('/', '127.0.0.1', 'a: b\r\n'.repeat(200))),
      /^HTTP\/1\.1 431 [^]*too_many_headers/,
    );
    assert.match(
      await client.raw(head('/', '127.0.0.1', `a: ${'b'.repeat(20_000)}\r\n`)),
      /^HTTP\/1\.1 431 [^]*headers_too_large/,
    );
    assert.match(
      await client.raw(
        'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ),
      /^HTTP\/1\.1 400 [^]*malformed_request/,
    );
    assert.match(
      await client.raw(head('/healthz', '127.0.0.1', 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n')),
      /^HTTP\/1\.1 200 [^]*alive/,
    );
    assert.doesNotMatch(world.gateway.log(), new RegExp(client.keyOf('ada')));
  });

  it('lets no spelling of an identity header through', async () => {
    const names = ['X-User-ID', 'x_user_id', 'X-USER_NAME', 'x.user.id', 'X-Department', 'x_department'];
    const more = ['X-Forwarded-For', 'x_forwarded_for', 'Forwarded', 'X-Real-IP', 'X-Imageplane-Assertion'];
    const spoofed = [...names, ...more, 'X-Request-Id', 'X_Request_Id', 'X-Imageplane_Degraded'];
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(`${world.url}/s/acme/pages/echo`, {
        headers: [
          ...['host', '127.0.0.1', 'authorization', `Bearer ${client.keyOf('ada')}`, 'x-kept', 'yes'],
          ...spoofed.flatMap((name) => [name, 'mallory']),
          ...['connection', 'x-kept-not, close', 'x-kept-not', 'mallory'],
        ],
      });
      request.on('response', (response) => response.resume().on('end', resolve));
      request.on('error', reject);
      request.end();
    });
    const seen = world.upstream.seen.at(-1);
    assert.equal(JSON.stringify(seen?.rawHeaders).includes('mallory'), false);
    assert.equal(seen?.headers['x-kept'], 'yes');
    assert.equal(seen.headers['x-user-id'], 'ada');
    assert.equal(decodeURIComponent(String(seen.headers['x-user-name'])), '王 ada');
    assert.equal(decodeURIComponent(String(seen.headers['x-department'])), '设计部');
    assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  });

  it('refuses a body of 60 MB while it is still being sent, by its length or by count', async () => {
    const before = world.upstream.received();
    const big = Buffer.alloc(60_000_000);
    const declared = await client.call('/s/acme/cutout/', 'ada', { method: 'POST', body: big });
    assert.equal(await codeOf(declared), '413 body_too_large');
    assert.equal(world.upstream.received(), before);
    const chunked = new ReadableStream({
      pull(controller) {
        controller.enqueue(big.subarray(0, 1_000_000));
      },
    });
    const init: RequestInit = { method: 'POST', body: chunked, duplex: 'half' };
    const counted = await client.call('/s/acme/cutout/', 'ada', init);
    assert.equal(await codeOf(counted), '413 body_too_large');
    await client.settlesAs(counted, 'released');
  });

  it('does not ask a client that waits for 100 Continue to send what it will refuse', async () => {
    const head = (key: string): string =>
      `POST /s/acme/cutout/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: ${key}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n`;
    const refused = await client.raw(head('wrong'));
    assert.match(refused, /^HTTP\/1\.1 401 /);
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.write(head(client.keyOf('ada')));
    await until('100 Continue', () => answer.startsWith('HTTP/1.1 100 Continue'));
    socket.write('abc');
    await until('the answer', () => answer.includes('echo POST /'));
    socket.destroy();
  });

  it("passes on the service's early answer to a body it did not read, and goes on", async () => {
    const response = await client.call('/s/acme/cutout/refuse-early', 'ada', {
      method: 'POST',
      body: Buffer.alloc(1_000_000),
    });
    assert.equal(response.status, 422);
    assert.equal((await client.call('/s/acme/cutout/ok', 'ada', { method: 'POST' })).status, 200);
  });
});

describe('limits', () => {
  it('refuses beyond the requests of a minute, and says when to come back', async () => {
    for (let count = 0; count < 3; count++)
      assert.equal((await client.call('/s/limited/cutout/', 'lim', { method: 'POST' })).status, 200);
    const refused = await client.call('/s/limited/cutout/', 'lim', { method: 'POST' });
    const retryAfter = Number(refused.headers.get('retry-after'));
    assert.ok(retryAfter > 0 && retryAfter <= 60);
    assert.equal(refused.headers.get('ratelimit'), `"requests";r=0;t=${retryAfter}`);
    assert.equal(await codeOf(refused), '429 rate_limited');
  });

  it('refuses beyond the quota of a day, and charges what it admitted', async () => {
    for (let count = 0; count < 2; count++)
      assert.equal((await client.call('/s/quota/cutout/', 'quo', { method: 'POST' })).status, 200);
    const refused = await client.call('/s/quota/cutout/', 'quo', { method: 'POST' });
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(await codeOf(refused), '429 quota_spent');
    await client.delivered();
    assert.deepEqual(await client.states('quota'), { charged: 2 });
  });

  it('does not apply the window to addresses that a tenant has exempted', async () => {
    await world.publish(({ tenants }) => {
      tenants['limited'] = policy({ requestsPerMinute: 1 }, { unlimitedCidrs: ['127.0.0.0/8'] });
    });
    for (let count = 0; count < 3; count++)
      assert.equal((await client.call('/s/limited/cutout/', 'lim', { method: 'POST' })).status, 200);
  });
});
