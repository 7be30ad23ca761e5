import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { codeOfStep, fromBase32, stepAt } from '../../control-plane/identity/accounts/totp.ts';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import { until } from '../support/program.ts';

let world: IdentityWorld;
let admin: string;

before(async () => {
  world = await createIdentityWorld();
  admin = await world.adminKey('acme');
});
after(async () => {
  await world.close();
});

async function json<T>(response: Response, status: number): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
const codeOf = async (response: Response): Promise<string> => {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
};

interface Someone {
  id: string;
  key: string;
  keyId: string;
}
let made = 0;
/** A program with a key of its own. */
async function someone(role: string, scopes: object = {}, by = admin): Promise<Someone> {
  const wanted = { name: `程序 ${++made}`, role, scopes };
  const app = await json<{ id: string; apiKey: string; keyId: string }>(
    await world.call(by, 'POST', '/api/v1/applications', wanted),
    201,
  );
  await world.synced();
  return { id: app.id, key: app.apiKey, keyId: app.keyId };
}
const infer = (key: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${world.url}/s/acme/echo/x`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: 'x',
  });
const grant = (subject: object, more: object = {}, by = admin): Promise<Response> =>
  world.call(by, 'POST', '/api/v1/grants', {
    subject,
    actions: ['infer'],
    resources: ['service:echo'],
    ...more,
  });
const audited = async (action: string, resource: string): Promise<Record<string, unknown>[]> => {
  const { rows } = await world.db.query<Record<string, unknown>>(
    'SELECT principal, allowed, rule, detail FROM imageplane.audit_record WHERE action = $1 AND resource = $2',
    [action, resource],
  );
  return rows;
};

describe('an access review', () => {
  it('lists grants, custom roles and memberships, with who gave them and when they were last used', async () => {
    const guest = await someone('guest');
    const { id } = await json<{ id: string }>(await grant({ kind: 'principal', id: guest.id }), 201);
    await json(
      await world.call(admin, 'PUT', '/api/v1/roles/reviewed', {
        permissions: [{ actions: ['view'], resources: ['service:*'] }],
      }),
      201,
    );
    await json(await world.call(admin, 'PUT', `/api/v1/roles/reviewed/members/${guest.id}`), 204);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 200);
    await until('its use was told', async () => {
      const { rows } = await world.db.query('SELECT 1 FROM imageplane.last_use WHERE id = $1', [
        `grant:${id}`,
      ]);
      return rows.length > 0;
    });
    const review = await json<{ id: string }>(await world.call(admin, 'POST', '/api/v1/access-reviews'), 201);
    interface Line {
      line: number;
      kind: string;
      id: string;
      subject: string;
      givenBy: string;
      lastUsedAt: string | null;
    }
    const { lines } = await json<{ lines: Line[] }>(
      await world.call(admin, 'GET', `/api/v1/access-reviews/${review.id}?limit=1000`),
      200,
    );
    const line = (kind: string, of: string): Line | undefined =>
      lines.find((one) => one.kind === kind && one.id === of);
    const granted = line('grant', id);
    assert.ok(granted?.lastUsedAt);
    assert.equal(granted.givenBy, 'demo-acme');
    const role = lines.find((one) => one.kind === 'custom-role' && one.subject === guest.id);
    assert.ok(role);
    for (const one of [granted, role])
      await json(
        await world.call(admin, 'POST', `/api/v1/access-reviews/${review.id}/lines/${one.line}`, {
          decision: 'withdraw',
        }),
        204,
      );
    await world.synced();
    assert.equal((await infer(guest.key)).status, 403);
  });
});

describe('habits', () => {
  it('are learnt by the gateway, shared by the database, and lower the limits of what is unusual', async () => {
    const one = await someone('editor');
    // Habits that cannot be had within 50 ms are not waited for: the request counts as usual, and teaches nothing.
    await until('the network was learnt', async () => {
      assert.equal((await infer(one.key, { 'user-agent': 'usual/1' })).status, 200);
      await world.gateway.stop('SIGTERM');
      const { rows } = await world.db.query<{ profile: { networks: object; devices: object } }>(
        'SELECT profile FROM imageplane.access_profile WHERE principal = $1',
        [one.id],
      );
      assert.ok(!JSON.stringify(rows).includes('127.0.0'));
      if (Object.keys(rows[0]?.profile.networks ?? {}).length === 1) return true;
      await world.startGateway();
      return false;
    });
    // As if it had been here for a month, in another place.
    await world.db.query(
      `UPDATE imageplane.access_profile SET profile = profile || jsonb_build_object(
         'firstSeen', 0, 'networks', '{}'::jsonb, 'devices', '{}'::jsonb) WHERE principal = $1`,
      [one.id],
    );
    await world.startGateway();
    const limitOf = (response: Response): number =>
      Number(/q=(\d+)/.exec(response.headers.get('ratelimit-policy') ?? '')?.[1]);
    await until('the limits are a quarter', async () => {
      const unusual = await infer(one.key, { 'user-agent': 'other/1' });
      assert.equal(unusual.status, 200);
      return limitOf(unusual) === 25_000;
    });
    assert.equal(limitOf(await infer(admin)), 100_000);
    await until(
      'an alert was recorded',
      async () => (await audited('alert', `principal:${one.id}`)).length === 1,
    );
    assert.equal((await audited('alert', `principal:${one.id}`))[0]?.['rule'], 'risk:new-network+new-device');
  });
});

describe('leave to take out the files of models', () => {
  const tenant = `apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: {name: acme}
spec: {displayName: acme, plan: enterprise, limits: {requestsPerMinute: 100000}}
`;
  const model = (name: string): string => `apiVersion: imageplane.dev/v1alpha1
kind: ClusterImageModel
metadata: {name: ${name}}
spec:
  task: tensor-inference
  family: test
  files: [{name: model.onnx, source: 'https://models.example/${name}.onnx', sha256: ${'ab'.repeat(32)}, size: 5}]
  license: {spdx: MIT, commercialUse: true, source: a test}
  precision: fp32
`;
  let models: IdentityWorld;
  before(async () => {
    const names = ['m1', 'm2', 'm3', 'm4'];
    models = await createIdentityWorld(async (file) => ({
      objects: { paths: [await file('models.yaml', [tenant, ...names.map(model)].join('---\n'))] },
      endpoints: {},
    }));
  });
  after(async () => {
    await models.close();
  });

  it('is a permission of its own, for one model at a time, and a bulk attempt raises an alert', async () => {
    const chief = await models.adminKey('acme');
    const made = await json<{ id: string; apiKey: string }>(
      await models.call(chief, 'POST', '/api/v1/applications', {
        name: 'taker',
        role: 'developer',
        scopes: {},
      }),
      201,
    );
    await models.synced();
    const take = (...names: string[]): Promise<Response> =>
      models.call(made.apiKey, 'POST', '/api/v1/model-exports', { models: names });
    assert.equal(await codeOf(await take('m1')), '403 access_denied');
    const gift = (conditions: object): Promise<Response> =>
      models.call(chief, 'POST', '/api/v1/grants', {
        subject: { kind: 'principal', id: made.id },
        actions: ['export'],
        resources: ['model:*'],
        conditions,
      });
    await json(await gift({ allowedCidrs: ['10.0.0.0/8'] }), 201);
    assert.equal(await codeOf(await take('m1')), '403 access_denied');
    await json(await gift({ allowedCidrs: ['127.0.0.0/8'], maxKeyAgeDays: 1 }), 201);
    const leave = await json<{ files: { sha256: string }[] }>(await take('m1'), 201);
    assert.equal(leave.files[0]?.sha256, 'ab'.repeat(32));
    assert.equal(await codeOf(await take('none')), '404 model_not_found');
    assert.equal(await codeOf(await take('m1', 'm2')), '422 field_invalid');
    await json(await take('m2'), 201);
    await json(await take('m2'), 201);
    await json(await take('m3'), 201);
    assert.equal(await codeOf(await take('m4')), '403 bulk_export_refused');
    assert.equal(await codeOf(await take('m1', 'm2', 'm3', 'm4')), '403 bulk_export_refused');
    const { rows } = await models.db.query<{ action: string; allowed: boolean; n: number }>(
      `SELECT action, allowed, count(*)::integer AS n FROM imageplane.audit_record
       WHERE principal = $1 AND action IN ('alert', 'export') GROUP BY action, allowed ORDER BY action, allowed`,
      [made.id],
    );
    assert.deepEqual(rows, [
      { action: 'alert', allowed: false, n: 2 },
      { action: 'export', allowed: false, n: 2 },
      { action: 'export', allowed: true, n: 4 },
    ]);
  });
});

describe('a tenant that demands a second factor of everybody', () => {
  it('is open to people who have shown one, and to programs', async () => {
    const chief = await world.adminKey('strict');
    const created = await json<{ invitation: { path: string } }>(
      await world.call(chief, 'POST', '/api/v1/accounts', { login: 'fang', name: '王芳', role: 'viewer' }),
      201,
    );
    const { path } = created.invitation;
    const page = await (await world.auth(path, {}, { method: 'GET' })).text();
    const secret = fromBase32(/secret=([A-Z2-7]+)/.exec(page)?.[1] ?? '');
    assert.ok(secret);
    const code = (ahead: number): string => codeOfStep(secret, stepAt(new Date()) + ahead);
    const password = 'four plain words here';
    const token = new URL(path, world.url).searchParams.get('token') ?? '';
    const accepted = await world.auth('/auth/invitation', {
      token,
      password,
      again: password,
      code: code(0),
    });
    assert.equal(accepted.status, 200);
    const signedIn = await world.auth('/auth/local', { account: 'strict/fang', password, code: code(1) });
    assert.equal(signedIn.status, 303);
    await world.synced();
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    const visited = await fetch(`${world.url}/s/strict/echo/x`, { headers: { cookie } });
    assert.equal(visited.status, 200);
    const byKey = await fetch(`${world.url}/s/strict/echo/x`, {
      headers: { authorization: `Bearer ${chief}` },
    });
    assert.equal(byKey.status, 200);
  });
});
