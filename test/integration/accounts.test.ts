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

const PASSWORD = 'four plain words here';
const codeNow = (secret: string, ahead = 0): string => {
  const bytes = fromBase32(secret);
  assert.ok(bytes);
  return codeOfStep(bytes, stepAt(new Date()) + ahead);
};

async function json<T>(response: Response, status: number): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

interface Created {
  id: string;
  login: string;
  invitation: { path: string };
}
const create = async (login: string, more: object = {}, key = admin): Promise<Created> =>
  json(await world.call(key, 'POST', '/api/v1/accounts', { login, name: `王 ${login}`, ...more }), 201);

const tokenOf = ({ invitation }: Created): string =>
  new URL(invitation.path, world.url).searchParams.get('token') ?? '';

/** Follows the invitation as its person does; gives the TOTP secret and the recovery codes, where there are any. */
async function accept(created: Created, password = PASSWORD): Promise<{ secret: string; codes: string[] }> {
  const page = await (await world.auth(created.invitation.path, {}, { method: 'GET' })).text();
  const secret = /secret=([A-Z2-7]+)/.exec(page)?.[1] ?? '';
  const answer = await world.auth('/auth/invitation', {
    token: tokenOf(created),
    password,
    again: password,
    ...(secret === '' ? {} : { code: codeNow(secret) }),
  });
  const done = await answer.text();
  assert.equal(answer.status, 200, done);
  return { secret, codes: [...done.matchAll(/<code>([A-Z2-7-]+)<\/code>/g)].map(([, code]) => code ?? '') };
}

/** As the sign-in page does; the session's cookie, or undefined. */
async function signIn(account: string, password: string, code = ''): Promise<string | undefined> {
  const answer = await world.auth('/auth/local', { account, password, code });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (answer.status === 303) return cookie;
  assert.equal(answer.status, 401, await answer.text());
  return undefined;
}

const basic = (account: string, password: string): Promise<Response> =>
  fetch(`${world.url}/s/acme/echo/x`, {
    headers: { authorization: `Basic ${Buffer.from(`${account}:${password}`).toString('base64')}` },
  });

interface Listed {
  accounts: {
    id: string;
    login: string;
    failures: number;
    lockedAt: string | null;
    waitsUntil: string | null;
    secondFactor: boolean;
  }[];
}
const listed = async (id: string): Promise<Listed['accounts'][number]> => {
  const { accounts } = await json<Listed>(await world.call(admin, 'GET', '/api/v1/accounts'), 200);
  const found = accounts.find((one) => one.id === id);
  assert.ok(found);
  return found;
};
const audited = async (action: string, rule: string, resource: string): Promise<number> => {
  const { rows } = await world.db.query(
    'SELECT 1 FROM imageplane.audit_record WHERE action = $1 AND rule = $2 AND resource = $3',
    [action, rule, resource],
  );
  return rows.length;
};

describe('a local account', () => {
  it('is made by invitation, used by password, and its link once', async () => {
    const made = await create('fang');
    assert.equal(made.login, 'acme/fang');
    assert.equal(await signIn('acme/fang', ''), undefined);
    const weak = await world.auth('/auth/invitation', {
      token: tokenOf(made),
      password: 'short',
      again: 'short',
    });
    assert.equal(weak.status, 422);
    await accept(made);
    const again = await world.auth('/auth/invitation', {
      token: tokenOf(made),
      password: PASSWORD,
      again: PASSWORD,
    });
    assert.equal(again.status, 410);
    assert.ok(await signIn('acme/fang', PASSWORD));
    assert.equal(await signIn('acme/fang', `${PASSWORD}!`), undefined);
    assert.equal(await signIn('strict/fang', PASSWORD), undefined);
    const stored = await world.db.query<{ password: string }>(
      'SELECT password FROM imageplane.local_account WHERE login = $1',
      ['fang'],
    );
    assert.match(stored.rows[0]?.password ?? '', /^scrypt\$15\$8\$3\$/);
  });

  it('is made by those who may, with no more rights than theirs, and with a name of its own', async () => {
    const post = (body: object, key = admin): Promise<Response> =>
      world.call(key, 'POST', '/api/v1/accounts', body);
    assert.equal(
      await codeOf(await post({ login: 'x1', name: 'x', role: 'platform-admin' })),
      '403 grant_exceeds_own',
    );
    assert.equal(await codeOf(await post({ login: 'FANG', name: 'x' })), '409 login_taken');
    for (const login of ['break-glass', 'a:b', 'a/b', ''])
      assert.equal(await codeOf(await post({ login, name: 'x' })), '422 field_invalid', login);
    assert.equal(await codeOf(await post({ login: 'x2', name: 'x', tenant: 'strict' })), '422 field_invalid');
    const { apiKey } = await json<{ apiKey: string }>(
      await world.call(admin, 'POST', '/api/v1/applications', { name: 'a', role: 'editor' }),
      201,
    );
    await world.synced();
    assert.equal(await codeOf(await post({ login: 'x3', name: 'x' }, apiKey)), '403 access_denied');
    const foreign = await world.adminKey('strict');
    const { id } = await create('theirs');
    assert.equal(
      await codeOf(await world.call(foreign, 'DELETE', `/api/v1/accounts/${id}`)),
      '404 account_not_found',
    );
  });

  it('ends its sessions at once when its role, its password or its state changes', async () => {
    const made = await create('wei', { role: 'editor' });
    await accept(made);
    const visit = async (cookie: string | undefined): Promise<number> =>
      (await fetch(`${world.url}/s/acme/echo/x`, { headers: { cookie: cookie ?? '' }, redirect: 'manual' }))
        .status;
    const path = `/api/v1/accounts/${made.id}`;
    for (const change of [
      () => world.call(admin, 'PATCH', path, { role: 'viewer' }),
      () => world.call(admin, 'POST', `${path}/end-sessions`),
      () => world.call(admin, 'POST', `${path}/disable`),
    ]) {
      const cookie = await signIn('acme/wei', PASSWORD);
      assert.ok(cookie);
      await world.synced();
      assert.equal(await visit(cookie), 200);
      const renamed = await world.call(admin, 'PATCH', path, { name: '王伟' });
      assert.equal(renamed.status, 200);
      await world.synced();
      assert.equal(await visit(cookie), 200);
      assert.ok((await change()).ok);
      await until('the session is over', async () => (await visit(cookie)) === 401, 3_000);
    }
    assert.equal(await signIn('acme/wei', PASSWORD), undefined);
    assert.equal((await world.call(admin, 'POST', `${path}/enable`)).status, 204);
    assert.ok(await signIn('acme/wei', PASSWORD));
    assert.equal((await world.call(admin, 'DELETE', path)).status, 204);
    assert.equal(await signIn('acme/wei', PASSWORD), undefined);
    const { rows } = await world.db.query('SELECT name, role FROM imageplane.principal WHERE id = $1', [
      made.id,
    ]);
    assert.deepEqual(rows, [{ name: '(deleted)', role: 'guest' }]);
    assert.equal(await audited('accounts:delete', 'role:tenant-admin', `account:${made.id}`), 1);
  });

  it('waits longer after each wrong guess, is locked, seen, and unlocked by an administrator', async () => {
    const made = await create('target');
    await accept(made);
    const guesses = await Promise.all(
      Array.from({ length: 24 }, (_, at) => signIn('acme/target', `guess ${at} guess`)),
    );
    assert.deepEqual(new Set(guesses), new Set([undefined]));
    // However many at once: two were free, and each one more had to wait for the end of a longer delay.
    const { failures } = await listed(made.id);
    assert.ok(failures >= 3 && failures <= 5, String(failures));
    await world.db.query(
      "UPDATE imageplane.local_account SET next_attempt_at = now() + interval '1 minute' WHERE principal = $1",
      [made.id],
    );
    assert.ok((await listed(made.id)).waitsUntil);
    assert.equal(await signIn('acme/target', PASSWORD), undefined);
    assert.equal((await listed(made.id)).failures, failures);
    await world.db.query(
      "UPDATE imageplane.local_account SET failures = 9, next_attempt_at = now() - interval '1 second' WHERE principal = $1",
      [made.id],
    );
    assert.equal(await signIn('acme/target', 'wrong wrong wrong'), undefined);
    assert.ok((await listed(made.id)).lockedAt);
    assert.equal(await audited('alert', 'account:locked', `account:${made.id}`), 1);
    assert.equal(await signIn('acme/target', PASSWORD), undefined);
    assert.equal((await world.call(admin, 'POST', `/api/v1/accounts/${made.id}/unlock`)).status, 204);
    assert.ok(await signIn('acme/target', PASSWORD));
    assert.equal((await listed(made.id)).failures, 0);
  });
});

describe('a second factor', () => {
  it('is demanded of administrators, its codes and recovery codes work once each', async () => {
    const made = await create('boss', { role: 'tenant-admin' });
    const without = await world.auth('/auth/invitation', {
      token: tokenOf(made),
      password: PASSWORD,
      again: PASSWORD,
      code: '000000',
    });
    assert.equal(without.status, 422);
    const { secret, codes } = await accept(made);
    assert.equal(codes.length, 10);
    assert.equal(await signIn('acme/boss', PASSWORD), undefined);
    // The code that confirmed it is used up; the next step's is within the drift.
    assert.equal(await signIn('acme/boss', PASSWORD, codeNow(secret, -1)), undefined);
    await world.call(admin, 'POST', `/api/v1/accounts/${made.id}/unlock`);
    const next = codeNow(secret, 1);
    const both = await Promise.all([
      signIn('acme/boss', PASSWORD, next),
      signIn('acme/boss', PASSWORD, next),
    ]);
    assert.equal(both.filter((cookie) => cookie !== undefined).length, 1);
    const [recovery = ''] = codes;
    assert.ok(await signIn('acme/boss', PASSWORD, recovery.toLowerCase()));
    assert.equal(await signIn('acme/boss', PASSWORD, recovery), undefined);
    const kept = await world.db.query('SELECT * FROM imageplane.recovery_code WHERE sha256 = ANY($1)', [
      codes,
    ]);
    assert.equal(kept.rows.length, 0);
    assert.equal((await listed(made.id)).secondFactor, true);
    assert.equal(
      (await world.call(admin, 'POST', `/api/v1/accounts/${made.id}/reset-second-factor`)).status,
      204,
    );
    assert.equal(await signIn('acme/boss', PASSWORD), undefined);
  });

  it('is demanded of everybody where the tenant says so', async () => {
    const strict = await world.adminKey('strict');
    const made = await create('everyone', { role: 'viewer' }, strict);
    const { secret } = await accept(made);
    assert.notEqual(secret, '');
    assert.equal(await signIn('strict/everyone', PASSWORD), undefined);
    assert.ok(await signIn('strict/everyone', PASSWORD, codeNow(secret, 1)));
  });
});

describe('HTTP Basic', () => {
  it('is for accounts of one factor in tenants that allow it', async () => {
    const made = await create('basil', { role: 'editor' });
    await accept(made);
    await world.synced();
    const answers = await Promise.all(Array.from({ length: 20 }, () => basic('acme/basil', PASSWORD)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(world.upstream.seen.at(-1)?.headers['x-user-id'], made.id);
    assert.equal(world.upstream.seen.at(-1)?.headers.authorization, undefined);
    const wrong = await basic('acme/basil', 'wrong wrong wrong');
    assert.match(wrong.headers.get('www-authenticate') ?? '', /^Basic realm=/);
    assert.equal(await codeOf(wrong), '401 basic_invalid');
    assert.equal(await codeOf(await basic('strict/basil', PASSWORD)), '401 basic_invalid');
    const page = await fetch(`${world.url}/s/acme/echo/x`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`acme/basil:${PASSWORD}`).toString('base64')}`,
        origin: 'https://evil.example',
      },
    });
    assert.equal(await codeOf(page), '403 cross_origin');
    assert.doesNotMatch(world.gateway.log() + world.api.log(), /four plain words/);
  });

  it('lets its people change their password, which ends what was remembered', async () => {
    const change = (current: string): Promise<Response> =>
      fetch(`${world.url}/api/v1/me/password`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`acme/basil:${PASSWORD}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ current, password: 'another four plain words' }),
      });
    assert.equal(await codeOf(await change('wrong')), '403 password_wrong');
    assert.equal((await change(PASSWORD)).status, 204);
    await until(
      'the old password is refused',
      async () => (await basic('acme/basil', PASSWORD)).status === 401,
    );
    assert.equal((await basic('acme/basil', 'another four plain words')).status, 200);
  });
});

describe('the break-glass administrator', () => {
  it('is made by the operator, needs its second factor, and raises an alert each time', async () => {
    const made = await json<{
      account: string;
      password: string;
      totpSecret: string;
      recoveryCodes: string[];
    }>(await world.internal('break-glass', { tenant: 'acme' }), 201);
    assert.equal(await signIn(made.account, made.password), undefined);
    assert.ok(await signIn(made.account, made.password, codeNow(made.totpSecret)));
    assert.ok(await signIn(made.account, made.password, made.recoveryCodes[0]));
    const { rows } = await world.db.query<{ rule: string }>(
      "SELECT rule FROM imageplane.audit_record WHERE action = 'alert' AND rule LIKE 'break-glass:%' ORDER BY id",
    );
    assert.deepEqual(
      rows.map(({ rule }) => rule),
      ['break-glass:made', 'break-glass:used', 'break-glass:used'],
    );
    const anew = await json<{ password: string }>(
      await world.internal('break-glass', { tenant: 'acme' }),
      201,
    );
    assert.notEqual(anew.password, made.password);
    assert.equal(await signIn(made.account, made.password, made.recoveryCodes[1]), undefined);
    assert.equal(
      await codeOf(await world.internal('break-glass', { tenant: 'nowhere' })),
      '404 tenant_not_found',
    );
  });
});
