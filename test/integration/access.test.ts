import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';

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
const ruleOf = async (response: Response): Promise<string> => {
  const { error } = (await response.json()) as { error: { details: { rule: string } } };
  return `${response.status} ${error.details.rule}`;
};
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

describe('a grant', () => {
  it('opens a service at the gateway and closes it again when it is withdrawn, each with a record', async () => {
    const guest = await someone('guest');
    assert.equal(await ruleOf(await infer(guest.key)), '403 default-deny');
    const { id } = await json<{ id: string }>(await grant({ kind: 'principal', id: guest.id }), 201);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 200);
    await json(await world.call(admin, 'DELETE', `/api/v1/grants/${id}`), 204);
    await world.synced();
    assert.equal(await ruleOf(await infer(guest.key)), '403 default-deny');
    assert.partialDeepStrictEqual(await audited('grants:create', `grant:${id}`), [
      { allowed: true, detail: { change: { actions: ['infer'], subject: { id: guest.id } } } },
    ]);
    assert.equal((await audited('grants:withdraw', `grant:${id}`)).length, 1);
  });

  it('holds under its conditions alone', async () => {
    const guest = await someone('guest');
    const under = async (conditions: object): Promise<number> => {
      const { id } = await json<{ id: string }>(
        await grant({ kind: 'principal', id: guest.id }, { conditions }),
        201,
      );
      await world.synced();
      const { status } = await infer(guest.key);
      await json(await world.call(admin, 'DELETE', `/api/v1/grants/${id}`), 204);
      return status;
    };
    const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
    const always = { days, from: '00:00', to: '24:00', timeZone: 'Asia/Shanghai' };
    const yesterday = days[(new Date().getUTCDay() + 5) % 7];
    assert.equal(
      await under({ allowedCidrs: ['127.0.0.0/8'], maxKeyAgeDays: 1, timeWindows: [always] }),
      200,
    );
    assert.equal(await under({ allowedCidrs: ['10.0.0.0/8'] }), 403);
    assert.equal(await under({ intranetOnly: true }), 403);
    assert.equal(await under({ secondFactor: true }), 403);
    assert.equal(
      await under({ timeWindows: [{ days: [yesterday], from: '00:00', to: '00:01', timeZone: 'UTC' }] }),
      403,
    );
    await world.db.query(
      "UPDATE imageplane.api_key SET created_at = now() - interval '2 days' WHERE id = $1",
      [guest.keyId.slice(4)],
    );
    assert.equal(await under({ maxKeyAgeDays: 1 }), 403);
  });

  it('is refused when it is malformed, names a stranger, or is more than the giver holds', async () => {
    const guest = await someone('guest');
    const to = { kind: 'principal', id: guest.id };
    const wrong: object[] = [
      { actions: ['keys:manage'] },
      { actions: [] },
      { resources: ['service:../x'] },
      { resources: ['audit:*'] },
      { resources: ['folder:a/../b'] },
      { conditions: {} },
      { conditions: { allowedCidrs: ['10.0.0.0/99'] } },
      { conditions: { timeWindows: [{ days: ['Mon'], from: '08:00', to: '08:00', timeZone: 'UTC' }] } },
      { conditions: { timeWindows: [{ days: ['Mon'], from: '08:00', to: '09:00', timeZone: 'Mars' }] } },
      { expiresAt: '2020-01-01T00:00:00Z' },
      { tenant: 'strict' },
    ];
    for (const more of wrong)
      assert.equal(await codeOf(await grant(to, more)), '422 field_invalid', JSON.stringify(more));
    const foreign = await world.adminKey('strict');
    assert.equal(await codeOf(await grant(to, {}, foreign)), '404 principal_not_found');
    const developer = await someone('developer');
    assert.equal(await codeOf(await grant(to, {}, developer.key)), '403 access_denied');
  });
});

describe('a custom role', () => {
  const put = (name: string, body: object, by = admin): Promise<Response> =>
    world.call(by, 'PUT', `/api/v1/roles/${name}`, body);
  const caller = { permissions: [{ actions: ['infer'], resources: ['service:*'] }] };

  it('gives what it says to whoever has it, changes for all at once, and is gone with its gifts', async () => {
    const guest = await someone('guest');
    await json(await put('caller', caller), 201);
    await json(await world.call(admin, 'PUT', `/api/v1/roles/caller/members/${guest.id}`), 204);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 200);
    const { members } = await json<{ members: { principal: string }[] }>(
      await world.call(admin, 'GET', '/api/v1/roles/caller/members'),
      200,
    );
    assert.deepEqual(
      members.map(({ principal }) => principal),
      [guest.id],
    );
    await json(await put('caller', { permissions: [{ actions: ['view'], resources: ['service:*'] }] }), 204);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 403);
    await json(await put('caller', caller), 204);
    await json(await world.call(admin, 'DELETE', '/api/v1/roles/caller'), 204);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 403);
    assert.equal(
      await codeOf(await world.call(admin, 'GET', '/api/v1/roles/caller/members')),
      '404 role_not_found',
    );
  });

  it('never has the name of a built-in one, and is never of another tenant', async () => {
    assert.equal(await codeOf(await put('developer', caller)), '422 field_invalid');
    await json(await put('ours', caller), 201);
    const foreign = await world.adminKey('strict');
    assert.equal(
      await codeOf(await world.call(foreign, 'GET', '/api/v1/roles/ours/members')),
      '404 role_not_found',
    );
    const guest = await someone('guest');
    await json(await put('ours', caller, foreign), 201);
    assert.equal(
      await codeOf(await world.call(foreign, 'PUT', `/api/v1/roles/ours/members/${guest.id}`)),
      '404 principal_not_found',
    );
  });
});

describe('a project', () => {
  it('takes nobody in who has not accepted, and shares what its owner holds', async () => {
    const owner = await someone('editor');
    const guest = await someone('guest');
    const { id } = await json<{ id: string }>(
      await world.call(owner.key, 'POST', '/api/v1/projects', { name: '春季 campaign' }),
      201,
    );
    assert.equal(
      await codeOf(await world.call(owner.key, 'POST', '/api/v1/projects', { name: '春季 campaign' })),
      '409 project_exists',
    );
    await json(await grant({ kind: 'project', id }, {}, owner.key), 201);
    assert.equal(
      await codeOf(await grant({ kind: 'project', id }, { actions: ['delete'] }, owner.key)),
      '403 grant_exceeds_own',
    );
    assert.equal(
      await codeOf(
        await grant({ kind: 'project', id }, { actions: ['export'], resources: ['model:*'] }, owner.key),
      ),
      '403 grant_exceeds_own',
    );
    const invite = (): Promise<Response> =>
      world.call(owner.key, 'POST', `/api/v1/projects/${id}/invitations`, { principal: guest.id });
    const invitation = await json<{ id: string }>(await invite(), 201);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 403);
    const accept = (key: string): Promise<Response> =>
      world.call(key, 'POST', `/api/v1/invitations/${invitation.id}/accept`);
    assert.equal(await codeOf(await accept(owner.key)), '404 invitation_not_found');
    const { invitations } = await json<{ invitations: { id: string; projectName: string }[] }>(
      await world.call(guest.key, 'GET', '/api/v1/invitations'),
      200,
    );
    assert.partialDeepStrictEqual(invitations, [{ id: invitation.id, projectName: '春季 campaign' }]);
    // Twice at once: one of them counts.
    const answers = await Promise.all([accept(guest.key), accept(guest.key)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 404]);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 200);
    assert.equal(await codeOf(await invite()), '409 already_member');
    await json(await world.call(guest.key, 'DELETE', `/api/v1/projects/${id}/members/${guest.id}`), 204);
    await world.synced();
    assert.equal((await infer(guest.key)).status, 403);
    assert.equal(
      await codeOf(await world.call(owner.key, 'DELETE', `/api/v1/projects/${id}/members/${owner.id}`)),
      '409 owner_stays',
    );
    const stranger = await someone('editor');
    assert.equal(
      await codeOf(await world.call(stranger.key, 'GET', `/api/v1/projects/${id}`)),
      '403 access_denied',
    );
    await json(await world.call(owner.key, 'DELETE', `/api/v1/projects/${id}`), 204);
    const { rows } = await world.db.query('SELECT 1 FROM imageplane.access_grant WHERE subject = $1', [id]);
    assert.equal(rows.length, 0);
  });
});

describe('the scopes of a key', () => {
  it('hold at the gateway and in the API, and cannot be got around by making another key', async () => {
    const elsewhere = await someone('editor', { services: ['other'] });
    assert.equal(await ruleOf(await infer(elsewhere.key)), '403 key-scope-services');
    const looking = await someone('editor', { actions: ['view'] });
    assert.equal(await ruleOf(await infer(looking.key)), '403 key-scope-actions');
    const far = await someone('editor', { cidrs: ['10.0.0.0/8'] });
    assert.equal(await ruleOf(await infer(far.key)), '403 key-scope-addresses');

    const manager = await someone('tenant-admin', { actions: ['api:call', 'keys:manage', 'members:manage'] });
    assert.equal(await codeOf(await world.call(manager.key, 'GET', '/api/v1/audit')), '403 access_denied');
    const wanted = { name: 'free', role: 'editor' };
    assert.equal(
      await codeOf(await world.call(manager.key, 'POST', '/api/v1/keys', wanted)),
      '403 grant_exceeds_own',
    );
    assert.equal(
      await codeOf(await world.call(manager.key, 'POST', '/api/v1/applications', wanted)),
      '403 grant_exceeds_own',
    );
    assert.equal(
      await codeOf(await grant({ kind: 'principal', id: looking.id }, {}, manager.key)),
      '403 grant_exceeds_own',
    );
  });
});

describe('explain', () => {
  interface Explained {
    allow: boolean;
    rule: string;
    obstacles: { rule: string; change: string }[];
  }
  const explain = async (principal: string, more: object = {}, by = admin): Promise<Explained> =>
    json(
      await world.call(by, 'POST', '/api/v1/access/explain', {
        principal,
        action: 'infer',
        resource: { kind: 'service', name: 'echo' },
        address: '127.0.0.1',
        ...more,
      }),
      200,
    );

  it('says what the gateway says, by which rule, and what would change it', async () => {
    const guest = await someone('guest');
    const no = await explain(guest.id);
    assert.equal(await ruleOf(await infer(guest.key)), `403 ${no.rule}`);
    assert.match(no.obstacles.at(-1)?.change ?? '', /tester or above.*infer on service:echo/);
    const { id } = await json<{ id: string }>(
      await grant({ kind: 'principal', id: guest.id }, { conditions: { allowedCidrs: ['127.0.0.0/8'] } }),
      201,
    );
    assert.deepEqual(await explain(guest.id), {
      allow: true,
      rule: `grant:${id}`,
      reason: `The grant ${id} gives infer on it.`,
      obstacles: [],
    });
    const elsewhere = await explain(guest.id, { address: '192.0.2.1' });
    assert.deepEqual(
      elsewhere.obstacles.map(({ rule }) => rule),
      [`grant:${id}`, 'default-deny'],
    );
    const { permissions } = await json<{ permissions: { rule: string; resource: string }[] }>(
      await world.call(guest.key, 'GET', `/api/v1/access/effective/${guest.id}`),
      200,
    );
    assert.ok(
      permissions.some(({ rule, resource }) => rule === `grant:${id}` && resource === 'service:echo'),
    );
  });

  it('tells nobody about others, and no tenant about another', async () => {
    const guest = await someone('guest');
    const other = await someone('guest');
    const ask = (key: string, principal: string): Promise<Response> =>
      world.call(key, 'GET', `/api/v1/access/effective/${principal}`);
    assert.equal(await codeOf(await ask(guest.key, other.id)), '403 access_denied');
    assert.equal(
      await codeOf(await ask(await world.adminKey('strict'), guest.id)),
      '404 principal_not_found',
    );
  });
});
