import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair } from 'jose';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { API_AUDIENCE, signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import type { Principal, Role } from '../../contracts/principal.ts';
import { type Snapshot, verifySnapshot } from '../../contracts/snapshot.ts';
import { most } from '../../control-plane/identity/room.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import { demandContract } from '../support/api-contract.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { freePorts, type RunningProgram, startProgram, until } from '../support/program.ts';

const INTERNAL = 'internal-token';
const USAGE = 'usage-token';

let postgres: TestPostgres;
let api: RunningProgram;
let folder: string;
let ports: Record<'listen' | 'internal' | 'intake', number>;
let assertionKey: CryptoKey;
let snapshotPublicKey: CryptoKey;

before(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'imageplane-api-test-'));
  ports = await freePorts('listen', 'internal', 'intake');
  const assertion = await generateKeyPair('EdDSA', { extractable: true });
  const snapshot = await generateKeyPair('EdDSA', { extractable: true });
  assertionKey = assertion.privateKey;
  snapshotPublicKey = snapshot.publicKey;
  const file = async (name: string, content: unknown): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
    return path;
  };
  api = await startProgram('control-plane/api/main.ts', {
    logLevel: 'warn',
    listen: { host: '127.0.0.1', port: ports.listen },
    internal: { host: '127.0.0.1', port: ports.internal },
    intake: { host: '127.0.0.1', port: ports.intake },
    database: {
      host: postgres.host,
      port: postgres.port,
      database: postgres.database,
      user: postgres.owner.user,
      passwordFile: await file('password', postgres.owner.password),
    },
    objects: { paths: ['examples', 'models'] },
    endpoints: { 'demo/cutout': ['http://127.0.0.1:7860'] },
    assertionJwks: await file('jwks.json', {
      keys: [{ ...(await exportJWK(assertion.publicKey)), kid: 'k1', alg: 'EdDSA' }],
    }),
    snapshotKey: await file('snapshot.json', await exportJWK(snapshot.privateKey)),
    internalTokenFile: await file('internal', INTERNAL),
    intakeTokens: await file('intake.json', { 'demo/cutout': sha256Hex(USAGE) }),
  });
});

after(async () => {
  assert.equal(await api.stop(), 0, api.log());
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

const someone = (role: Role, tenant = 'demo'): Principal => ({
  id: `someone-${role}`,
  tenant,
  kind: 'user',
  name: '王芳',
  department: '市场部',
  role,
});

interface Answer {
  status: number;
  body: unknown;
  headers: Headers;
}

async function answer(response: Response): Promise<Answer> {
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? undefined : JSON.parse(text),
    headers: response.headers,
  };
}

/** As the gateway forwards it. */
async function call(principal: Principal, method: string, target: string, body?: unknown): Promise<Answer> {
  const assertion = signAssertion(
    { aud: API_AUDIENCE, jti: uuidv7(), htm: method, htu: target, principal },
    { kid: 'k1', privateKey: assertionKey },
    new Date(),
  );
  const response = await fetch(`http://127.0.0.1:${ports.listen}${target}`, {
    method,
    headers: { [header.assertion]: assertion, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await demandContract(method, target, response);
  return answer(response);
}

const codeOf = ({ body }: Answer): unknown => (body as { error: { code: string } }).error.code;

async function fetchSnapshot(headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${ports.internal}/internal/v1/snapshot`, {
    headers: { authorization: `Bearer ${INTERNAL}`, ...headers },
  });
}

async function snapshot(): Promise<Snapshot> {
  return verifySnapshot(await (await fetchSnapshot()).text(), snapshotPublicKey);
}

function usageEvent(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const at = new Date().toISOString();
  return {
    id: uuidv7(),
    tenant: 'demo',
    service: 'cutout',
    principal: 'someone-editor',
    model: { name: 'm', sha256: '0'.repeat(64) },
    route: '/api/remove',
    outcome: 'succeeded',
    units: { images: 1, pixels: 2_000_000, computeMs: 1500 },
    queueMs: 1,
    bytesIn: 10,
    bytesOut: 20,
    executionProvider: 'cpu',
    startedAt: at,
    finishedAt: at,
    ...changes,
  };
}

async function report(events: unknown[], token = USAGE): Promise<Answer> {
  return answer(
    await fetch(`http://127.0.0.1:${ports.intake}/v1/usage-events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    }),
  );
}

function openPool(): pg.Pool {
  const { host, port, database, owner } = postgres;
  return new pg.Pool({ host, port, database, ...owner, max: 1 });
}

interface Created {
  id: string;
  key: string;
  principal: string;
}

describe('the API', () => {
  it('says who the caller is, by the gateway’s word alone', async () => {
    const me = await call(someone('viewer'), 'GET', '/api/v1/me');
    assert.deepEqual(me.body, someone('viewer'));
    const without = await answer(await fetch(`http://127.0.0.1:${ports.listen}/api/v1/me`));
    assert.equal(without.status, 401);
    assert.equal(codeOf(without), 'assertion_missing');
  });

  it('refuses an assertion for another path, and the same one twice', async () => {
    const assertion = signAssertion(
      { aud: API_AUDIENCE, jti: uuidv7(), htm: 'GET', htu: '/api/v1/me', principal: someone('viewer') },
      { kid: 'k1', privateKey: assertionKey },
      new Date(),
    );
    const get = async (target: string): Promise<Answer> =>
      answer(
        await fetch(`http://127.0.0.1:${ports.listen}${target}`, {
          headers: { [header.assertion]: assertion },
        }),
      );
    assert.equal(codeOf(await get('/api/v1/usage')), 'assertion_wrong_request');
    assert.equal((await get('/api/v1/me')).status, 200);
    assert.equal(codeOf(await get('/api/v1/me')), 'assertion_replayed');
  });

  it('shows a new key once, publishes its hash at once, and withdraws it at once', async () => {
    const admin = someone('tenant-admin');
    const wanted = { name: 'shop', department: '市场部', role: 'editor', expiresInDays: 30 };
    const created = await call(admin, 'POST', '/api/v1/keys', wanted);
    assert.equal(created.status, 201);
    const { id, key, principal } = created.body as Created;
    const published = await snapshot();
    assert.equal(published.keys[sha256Hex(key)]?.principal, principal);
    assert.equal(published.principals[principal]?.department, '市场部');
    const listed = JSON.stringify((await call(admin, 'GET', '/api/v1/keys')).body);
    assert.ok(listed.includes(id));
    assert.ok(!listed.includes(key));
    assert.equal((await call(someone('tenant-admin', 'other'), 'DELETE', `/api/v1/keys/${id}`)).status, 404);
    assert.equal((await call(admin, 'DELETE', `/api/v1/keys/${id}`)).status, 204);
    assert.equal((await snapshot()).keys[sha256Hex(key)], undefined);
    const { body } = await call(admin, 'GET', '/api/v1/audit?limit=2');
    assert.deepEqual(
      (body as { records: { action: string; resource: string }[] }).records.map(({ action, resource }) => [
        action,
        resource,
      ]),
      [
        ['keys:revoke', `key:${id}`],
        ['keys:create', `key:${id}`],
      ],
    );
  });

  it('lets nobody make keys without the right, or with more rights than their own', async () => {
    const byEditor = await call(someone('editor'), 'POST', '/api/v1/keys', { name: 'x' });
    assert.deepEqual([byEditor.status, codeOf(byEditor)], [403, 'access_denied']);
    const tooMuch = await call(someone('tenant-admin'), 'POST', '/api/v1/keys', {
      name: 'x',
      role: 'platform-admin',
    });
    assert.deepEqual([tooMuch.status, codeOf(tooMuch)], [403, 'grant_exceeds_own']);
  });

  it('names the field that is wrong', async () => {
    for (const [body, field] of [
      [{ name: '' }, 'name'],
      [{ name: 'x', role: 'king' }, 'role'],
      [{ name: 'x', expiresInDays: 0 }, 'expiresInDays'],
      [{ name: 'x', tenant: 'other' }, 'tenant'],
    ] as const) {
      const refused = await call(someone('tenant-admin'), 'POST', '/api/v1/keys', body);
      assert.deepEqual([refused.status, codeOf(refused)], [422, 'field_invalid']);
      assert.match(JSON.stringify(refused.body), new RegExp(field));
    }
  });

  it('counts a usage event once, and reports it to those who may see it', async () => {
    const event = usageEvent();
    assert.deepEqual((await report([event])).body, { accepted: 1, duplicates: 0, rejected: [] });
    assert.deepEqual((await report([event, event])).body, { accepted: 0, duplicates: 2, rejected: [] });
    const { body } = await call(someone('tenant-admin'), 'GET', '/api/v1/usage');
    const usage = body as { day: object; byServiceAndPrincipal: object[] };
    assert.partialDeepStrictEqual(usage.day, { requests: 1, megapixels: 2, computeSeconds: 1.5 });
    assert.partialDeepStrictEqual(usage.byServiceAndPrincipal, [
      { service: 'cutout', requests: 1, failures: 0 },
    ]);
    const own = await call(someone('viewer'), 'GET', '/api/v1/usage');
    assert.deepEqual((own.body as { byServiceAndPrincipal: object[] }).byServiceAndPrincipal, []);
  });

  it('sets events aside that are malformed, of another service, or from another time, and takes the rest', async () => {
    const old = '01800000-0000-7000-8000-000000000000';
    const { status, body } = await report([
      usageEvent({ units: { images: 1, pixels: 1.5, computeMs: 1 } }),
      usageEvent({ tenant: 'other' }),
      usageEvent({ id: old }),
      usageEvent(),
    ]);
    assert.equal(status, 200);
    const { accepted, rejected } = body as {
      accepted: number;
      rejected: { index: number; reason: string }[];
    };
    assert.equal(accepted, 1);
    assert.deepEqual(
      rejected.map(({ index }) => index),
      [0, 1, 2],
    );
    assert.match(rejected[0]?.reason ?? '', /units\.pixels/);
    assert.equal((await report([usageEvent()], 'wrong')).status, 401);
  });

  it('takes no word of a service on what another has served, and no amounts that no job can have', async () => {
    const admin = openPool();
    const [others, own] = [uuidv7(), uuidv7()];
    for (const [id, service] of [
      [others, 'elsewhere'],
      [own, 'cutout'],
    ])
      await admin.query(`SELECT imageplane.reserve($1::jsonb, '[]'::jsonb)`, [
        JSON.stringify({
          id,
          tenant: 'demo',
          project: '',
          service,
          principal: 'p',
          requests: 1,
          pixels: 0,
          steps: 0,
          computeMs: 0,
          seconds: 900,
        }),
      ]);
    const { body } = await report([
      usageEvent({ id: others, outcome: 'failed' }),
      usageEvent({ id: own, outcome: 'failed' }),
      usageEvent({ units: { images: 1, pixels: 9e15, computeMs: 1 } }),
      usageEvent({ startedAt: '2020-01-01T00:00:00.000Z' }),
      usageEvent({ principal: 'nobody\u0000' }),
    ]);
    const { rejected, ...counted } = body as { rejected: { index: number; reason: string }[] };
    assert.deepEqual(counted, { accepted: 1, duplicates: 0 });
    assert.deepEqual(rejected.map(({ index }) => index).sort(), [0, 2, 3, 4]);
    assert.match(rejected.find(({ index }) => index === 0)?.reason ?? '', /another service/);
    const { rows } = await admin.query<{ id: string; state: string }>(
      'SELECT id, state FROM imageplane.reservation WHERE id = ANY($1::uuid[])',
      [[others, own]],
    );
    assert.deepEqual(Object.fromEntries(rows.map(({ id, state }) => [id, state])), {
      [others]: 'reserved',
      [own]: 'released',
    });
    await admin.end();
  });

  it('makes no more keys for a tenant than the snapshot has room for, and forgets those that were withdrawn', async () => {
    const admin = openPool();
    await admin.query(
      `INSERT INTO imageplane.principal (id, tenant, kind, name, department, role)
         VALUES ('app_many', 'demo', 'application', 'many', '', 'viewer');
       INSERT INTO imageplane.api_key (id, principal, sha256, created_by)
         SELECT 'many' || n, 'app_many', encode(sha256(n::text::bytea), 'hex'), 'test' FROM generate_series(1, ${most.keys.ofTenant}) n`,
    );
    const refused = await call(someone('tenant-admin'), 'POST', '/api/v1/keys', { name: 'one more' });
    assert.deepEqual([refused.status, codeOf(refused)], [409, 'too_many_keys']);
    assert.ok((await snapshot()).principals['app_many']);
    await admin.query(`UPDATE imageplane.api_key SET revoked_at = now() WHERE principal = 'app_many'`);
    assert.equal(
      (await call(someone('tenant-admin'), 'POST', '/api/v1/keys', { name: 'one more' })).status,
      201,
    );
    assert.equal((await snapshot()).principals['app_many'], undefined);
    await admin.end();
  });

  it('gives the snapshot to the holder of the internal token, and only when it has changed', async () => {
    assert.equal((await fetchSnapshot({ authorization: 'Bearer wrong' })).status, 401);
    const first = await fetchSnapshot();
    const etag = first.headers.get('etag') ?? '';
    assert.equal((await fetchSnapshot({ 'if-none-match': etag })).status, 304);
    const { services, tenants } = await verifySnapshot(await first.text(), snapshotPublicKey);
    assert.deepEqual(services['demo/cutout']?.endpoints, ['http://127.0.0.1:7860']);
    assert.equal(tenants['demo']?.limits.requestsPerMinute, 500);
  });

  it('answers 503 while Postgres is away, says so when asked, and goes on when it is back', async () => {
    const get = (): Promise<Answer> => call(someone('tenant-admin'), 'GET', '/api/v1/usage');
    const ready = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${ports.internal}/readyz`)).ok;
    await postgres.kill('SIGKILL');
    const refused = await get();
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'database_unavailable']);
    assert.ok(refused.headers.get('retry-after'));
    assert.equal(await ready(), false);
    await postgres.restart();
    await until('the API is ready again', ready);
    assert.equal((await get()).status, 200);
  });
});
