import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import { until } from '../support/program.ts';

let world: IdentityWorld;
let admin: string;
let principal: string;
before(async () => {
  world = await createIdentityWorld();
  admin = await known(await world.adminKey('acme'));
  const me = await world.call(admin, 'GET', '/api/v1/me');
  principal = ((await me.json()) as { id: string }).id;
});
after(async () => {
  await world.close();
});

/** Once the gateway knows it. */
async function known(key: string): Promise<string> {
  await until('the key is known', async () => (await world.call(key, 'GET', '/api/v1/me')).status === 200);
  return key;
}

/** What was written before is in the snapshot of the second poll from now on, however slow the first was. */
async function published(): Promise<void> {
  await world.synced();
  await world.synced();
}

const use = (key: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${world.url}/s/acme/echo/work`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: 'x',
  });

async function errorOf(response: Response): Promise<{ code: string; details: Record<string, unknown> }> {
  return ((await response.json()) as { error: { code: string; details: Record<string, unknown> } }).error;
}

const bound = (of: object): Promise<Response> =>
  world.call(admin, 'PUT', '/api/v1/quota/bounds', { scope: 'user', period: 'day', unit: 'requests', ...of });

const own = { scope: 'user', period: 'day' };

describe('quotas of users and projects', { concurrency: false }, () => {
  it('are bounds that an administrator sets, that hold at the gateway, and that can be granted beyond and reset', async () => {
    assert.equal((await bound({ subject: '', bound: 3 })).status, 204);
    await world.synced();
    const useAll = async (): Promise<number> => {
      for (let count = 0; ; count++) if ((await use(admin)).status !== 200) return count;
    };
    /** A gateway asks about a spent quota once a second. */
    const useAllOnceSeen = async (): Promise<number> => {
      await until('the change is seen', async () => (await use(admin)).status === 200);
      return 1 + (await useAll());
    };
    assert.equal(await useAll(), 3);
    const refused = await use(admin);
    assert.equal(refused.status, 429);
    const { code, details } = await errorOf(refused);
    assert.equal(code, 'quota_spent');
    assert.partialDeepStrictEqual(details, {
      scope: 'user',
      period: 'day',
      unit: 'requests',
      limit: 3,
      used: 3,
    });
    const grant = await world.call(admin, 'POST', '/api/v1/quota/grants', {
      ...{ ...own, subject: principal },
      ...{ amounts: { requests: 2 }, reason: 'the spring campaign' },
    });
    assert.equal(grant.status, 201);
    assert.equal(await useAllOnceSeen(), 2);
    await until('all is charged', async () => {
      const { rows } = await world.db.query(`SELECT FROM imageplane.reservation WHERE state = 'reserved'`);
      return rows.length === 0;
    });
    const reset = await world.call(admin, 'POST', '/api/v1/quota/resets', {
      ...{ ...own, subject: principal },
      reason: 'a mistake of ours',
    });
    assert.partialDeepStrictEqual(await reset.json(), { given: { requests: 5 } });
    assert.equal(await useAllOnceSeen(), 5);

    const quota = await (await world.call(admin, 'GET', '/api/v1/quota')).json();
    assert.partialDeepStrictEqual(quota, {
      bounds: [{ scope: 'user', subject: '', period: 'day', unit: 'requests', bound: 3 }],
    });
    const { balances } = quota as {
      balances: { scope: string; period: string; held: object; credit: object }[];
    };
    const mine = balances.find(({ scope, period }) => scope === 'user' && period === 'day');
    assert.partialDeepStrictEqual(mine, { held: { requests: 10 }, credit: { requests: 7 } });
    const { adjustments } = (await (await world.call(admin, 'GET', '/api/v1/quota/adjustments')).json()) as {
      adjustments: { kind: string; reason: string; by: string }[];
    };
    assert.deepEqual(
      adjustments.map(({ kind, reason, by }) => [kind, reason, by]),
      [
        ['reset', 'a mistake of ours', principal],
        ['grant', 'the spring campaign', principal],
      ],
    );
    const { records } = (await (await world.call(admin, 'GET', '/api/v1/audit?limit=100')).json()) as {
      records: { action: string; resource: string }[];
    };
    for (const action of ['quota:bound', 'quota:grant', 'quota:reset'])
      assert.ok(
        records.some((record) => record.action === action),
        action,
      );
    assert.equal((await bound({ subject: '', bound: null })).status, 204);
    await published();
    assert.equal((await use(admin)).status, 200);
  });

  it('are nobody else’s to change: not by who may not, not of another tenant, not of the tenant itself', async () => {
    const made = await world.call(admin, 'POST', '/api/v1/keys', { name: 'shop', role: 'editor' });
    const { key } = (await made.json()) as { key: string };
    await known(key);
    const grant = { ...own, subject: principal, amounts: { requests: 1 }, reason: 'r' };
    const refusals: [string, string, string, object, string][] = [
      [key, 'POST', '/api/v1/quota/grants', grant, 'access_denied'],
      [
        key,
        'PUT',
        '/api/v1/quota/bounds',
        { ...own, subject: '', unit: 'requests', bound: 1 },
        'access_denied',
      ],
      [key, 'GET', '/api/v1/quota/adjustments', {}, 'access_denied'],
      [
        await known(await world.adminKey('strict')),
        'POST',
        '/api/v1/quota/grants',
        grant,
        'principal_not_found',
      ],
      [admin, 'POST', '/api/v1/quota/grants', { ...grant, tenant: 'strict' }, 'field_invalid'],
      [admin, 'POST', '/api/v1/quota/grants', { ...grant, scope: 'tenant' }, 'field_invalid'],
      [admin, 'POST', '/api/v1/quota/grants', { ...grant, amounts: {} }, 'field_invalid'],
      [admin, 'POST', '/api/v1/quota/grants', { ...grant, amounts: { requests: 0.5 } }, 'field_invalid'],
    ];
    for (const [caller, method, path, body, code] of refusals) {
      const response = await world.call(caller, method, path, method === 'GET' ? undefined : body);
      assert.equal((await errorOf(response)).code, code, `${method} ${path}`);
    }
    const mine = await (await world.call(key, 'GET', '/api/v1/quota')).json();
    assert.deepEqual((mine as { balances: unknown[] }).balances, []);
  });

  it('of a tenant itself are adjusted by a platform administrator alone, and the tenant sees who did it', async () => {
    const grant = { period: 'month', amounts: { megapixels: 5 }, reason: 'agreed' };
    const path = '/api/v1/tenants/acme/quota/grants';
    assert.equal((await errorOf(await world.call(admin, 'POST', path, grant))).code, 'access_denied');
    const root = await known(await world.adminKey('strict'));
    const me = (await (await world.call(root, 'GET', '/api/v1/me')).json()) as { id: string };
    await world.db.query(`UPDATE imageplane.principal SET role = 'platform-admin' WHERE id = $1`, [me.id]);
    await published();
    assert.equal((await world.call(root, 'POST', path, grant)).status, 201);
    const unknown = await world.call(root, 'POST', '/api/v1/tenants/nobody/quota/resets', {
      period: 'day',
      reason: 'r',
    });
    assert.equal((await errorOf(unknown)).code, 'tenant_not_found');
    const { adjustments } = (await (await world.call(admin, 'GET', '/api/v1/quota/adjustments')).json()) as {
      adjustments: { scope: string; by: string; amounts: object }[];
    };
    assert.partialDeepStrictEqual(adjustments[0], { scope: 'tenant', by: me.id, amounts: { megapixels: 5 } });
  });

  it('count for a project that is one of the caller’s, and no other', async () => {
    const refused = await use(admin, { 'x-project': 'spring' });
    assert.equal(refused.status, 403);
    assert.equal((await errorOf(refused)).code, 'project_unknown');
  });

  it('say in header, metrics and API that the service is reduced while Postgres is away, and changes answer 503', async () => {
    const normal = await world.call(admin, 'GET', '/api/v1/status');
    assert.deepEqual(await normal.json(), { state: 'normal', database: 'reachable', gateway: { away: [] } });
    await world.postgres.kill('SIGKILL');
    const served = await use(admin);
    assert.deepEqual([served.status, served.headers.get('x-imageplane-degraded')], [200, 'ledger']);
    const status = await world.call(admin, 'GET', '/api/v1/status');
    assert.equal(status.headers.get('x-imageplane-degraded'), 'ledger');
    assert.deepEqual(await status.json(), {
      state: 'reduced',
      database: 'away',
      gateway: { away: ['ledger'] },
    });
    const change = await bound({ subject: '', bound: 3 });
    assert.deepEqual([change.status, (await errorOf(change)).code], [503, 'database_unavailable']);
    await world.postgres.restart();
    await until(
      'all is normal',
      async () => (await use(admin)).headers.get('x-imageplane-degraded') === null,
    );
  });

  it('go on at the gateway without the API, which answers 503', async () => {
    await world.api.stop('SIGKILL');
    assert.equal((await use(admin)).status, 200);
    const change = await bound({ subject: '', bound: 3 });
    assert.deepEqual([change.status, (await errorOf(change)).code], [503, 'api_unavailable']);
    assert.ok(Number(change.headers.get('retry-after')) > 0);
    await world.startApi();
  });
});
