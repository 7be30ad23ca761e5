import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type BrowserClient, createBrowserClient } from '../support/browser-client.ts';
import { type Certificate, makeCertificate } from '../support/certificate.ts';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import { type OidcIssuer, startOidcIssuer } from '../support/oidc-issuer.ts';
import { until } from '../support/program.ts';

const PAGE = '/s/acme/echo/page';
/** Each account is asked about so often; what the documents state, made short. */
const RECHECK_MINUTES = 0.2;

let folder: string;
let certificate: Certificate;
let issuer: OidcIssuer;
let world: IdentityWorld;

const tenants = ['acme', 'beta', 'strict'].map(
  (name) => `apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: {name: ${name}}
spec:
  displayName: ${name}
  plan: enterprise
  limits: {requestsPerMinute: 100000}
  groups:
    - {name: designers, role: ${name === 'beta' ? 'viewer' : 'editor'}}
    - {name: testers, role: tester}
${name === 'beta' ? '' : '    - {name: everyone, role: guest}'}
---
apiVersion: imageplane.dev/v1alpha1
kind: ImageService
metadata: {name: echo, namespace: tenant-${name}}
spec: {displayName: Echo, engine: container, container: {localURL: 'http://127.0.0.1:1'}}
`,
);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-oidc-test-'));
  certificate = await makeCertificate(folder);
  // Inherited by the API, which has to believe the issuer's certificate.
  process.env['NODE_EXTRA_CA_CERTS'] = certificate.certFile;
  issuer = await startOidcIssuer(certificate);
  world = await createIdentityWorld(async (file) => ({
    objects: { paths: [await file('tenants.yaml', tenants.join('---\n'))] },
    recheck: { minutes: RECHECK_MINUTES, graceMinutes: 60 },
    identityProviders: [
      {
        type: 'oidc',
        name: 'corp',
        label: { en: 'Corp', zh: '集团账号' },
        tenants: ['acme', 'beta'],
        issuer: issuer.url,
        clientId: issuer.clientId,
        clientSecretFile: await file('oidc-secret', issuer.clientSecret),
      },
    ],
  }));
  await issuer.serve(world.url, 'corp');
  const of = (name: string, ...groups: string[]): void => {
    issuer.people.set(name, { name: `王 ${name}`, department: '设计部', groups });
  };
  of('ada', 'everyone');
  of('eve', 'everyone');
  of('rob', 'everyone');
  of('two', 'designers');
  of('out', 'strangers');
  of('kay', 'everyone');
  of('lea', 'everyone');
  of('dis', 'everyone');
  of('pro', 'everyone');
});
after(async () => {
  if (process.env['C1_LOG'] !== undefined) console.log(world.api.log());
  await world.close();
  await issuer.close();
  await rm(folder, { recursive: true, force: true });
  delete process.env['NODE_EXTRA_CA_CERTS'];
});

const startUrl = (next = PAGE): string =>
  `${world.url}/auth/providers/corp/start?next=${encodeURIComponent(next)}`;
const newBrowser = (): BrowserClient => createBrowserClient(certificate.cert);

/** Signs in to the end; gives where the browser is then. */
async function signIn(login: string, browser = newBrowser()) {
  const callback = await issuer.signIn(browser, startUrl(), login);
  assert.match(callback, /\/auth\/providers\/corp\/callback\?/);
  return { browser, ...(await browser.follow(callback)) };
}
const sessionOf = (browser: BrowserClient): string => browser.cookies(world.url)['imageplane_session'] ?? '';
const open = async (cookie: string): Promise<number> =>
  (await fetch(world.url + PAGE, { headers: { cookie: `imageplane_session=${cookie}` } })).status;
/** Who the service saw last. */
const seen = (): string => {
  const name = world.upstream.seen.at(-1)?.headers['x-user-name'];
  return decodeURIComponent(typeof name === 'string' ? name : '');
};
async function principalOf(
  subject: string,
): Promise<{ id: string; role: string; disabled: boolean } | undefined> {
  const { rows } = await world.db.query<{ id: string; role: string; disabled: boolean }>(
    `SELECT p.id, p.role, p.disabled_at IS NOT NULL AS disabled FROM imageplane.identity i
     JOIN imageplane.identity_principal l ON l.identity = i.id JOIN imageplane.principal p ON p.id = l.principal
     WHERE i.subject = $1 AND p.tenant = 'acme'`,
    [subject],
  );
  return rows[0];
}
async function audited(action: string, principal: string): Promise<{ rule: string; allowed: boolean }[]> {
  const { rows } = await world.db.query<{ rule: string; allowed: boolean }>(
    'SELECT rule, allowed FROM imageplane.audit_record WHERE action = $1 AND principal = $2 ORDER BY id',
    [action, principal],
  );
  return rows;
}

describe('signing in with an OpenID provider', () => {
  it('sends the browser there with PKCE, state and nonce, and back to its page with a session', async () => {
    const browser = newBrowser();
    const away = await browser.follow(world.url + PAGE, { until: /\/start/ });
    assert.match(
      await away.response.text(),
      /href="\/auth\/providers\/corp\/start\?next=%2Fs%2Facme%2Fecho%2Fpage"/,
    );
    const there = new URL((await browser.send(startUrl())).headers.get('location') ?? '');
    assert.equal(there.origin, issuer.url);
    for (const name of ['state', 'nonce', 'code_challenge'])
      assert.ok((there.searchParams.get(name)?.length ?? 0) >= 32, name);
    assert.equal(there.searchParams.get('code_challenge_method'), 'S256');
    const { url, response } = await signIn('ada', browser);
    assert.deepEqual([url, response.status, seen()], [world.url + PAGE, 200, '王 ada']);
    const principal = await principalOf('ada');
    assert.equal(principal?.role, 'guest');
    assert.deepEqual(await audited('sign-in', principal.id), [{ rule: 'provider:corp', allowed: true }]);
    assert.deepEqual(await audited('members:joined', principal.id), [
      { rule: 'provider:corp:guest', allowed: true },
    ]);
  });

  it('finds the same person by issuer and subject, whatever they are called now', async () => {
    const before = await principalOf('ada');
    const ada = issuer.people.get('ada');
    assert.ok(ada);
    ada.name = '王 eve';
    await signIn('ada');
    assert.equal((await principalOf('ada'))?.id, before?.id);
    await until('the service sees the new name', async () => {
      await signIn('ada');
      return seen() === '王 eve';
    });
    await signIn('eve');
    assert.notEqual((await principalOf('eve'))?.id, before?.id);
  });

  it('is only completed in the browser that began it, and only once', async () => {
    const mallory = newBrowser();
    const callback = await issuer.signIn(mallory, startUrl(), 'rob');
    const victim = newBrowser();
    await victim.send(startUrl());
    for (const browser of [newBrowser(), victim]) {
      const answer = await browser.send(callback);
      assert.equal(answer.status, 400);
      assert.match(await answer.text(), /not begun in this browser/);
      assert.equal(sessionOf(browser), '');
    }
    assert.equal((await mallory.follow(callback)).response.status, 200);
    const again = await mallory.send(callback);
    assert.equal(again.status, 400);
  });

  it('gives a session that nobody knew before, and ends the one that was planted', async () => {
    const mallory = await signIn('eve');
    const planted = sessionOf(mallory.browser);
    assert.equal(await open(planted), 200);
    const victim = newBrowser();
    victim.plant(world.url, 'imageplane_session', planted);
    await signIn('ada', victim);
    assert.notEqual(sessionOf(victim), planted);
    assert.equal(world.upstream.seen.at(-1)?.headers['x-user-id'], (await principalOf('ada'))?.id);
    await until('the planted session is refused', async () => (await open(planted)) === 401);
    assert.equal(await open(sessionOf(victim)), 200);
    const twice = `imageplane_session=${planted}; imageplane_session=${sessionOf(victim)}`;
    assert.equal((await fetch(world.url + PAGE, { headers: { cookie: twice } })).status, 400);
  });

  it('asks a person of two tenants which it shall be', async () => {
    const { browser, response } = await signIn('two');
    const page = await response.text();
    assert.match(page, /<option>acme<\/option><option>beta<\/option>/);
    assert.equal(sessionOf(browser), '');
    const foreign = await browser.follow(`${world.url}/auth/tenant`, {
      form: { tenant: 'strict', next: '/' },
    });
    assert.equal(foreign.response.status, 400);
    const chosen = await browser.follow(`${world.url}/auth/tenant`, { form: { tenant: 'acme', next: PAGE } });
    assert.deepEqual([chosen.url, chosen.response.status], [world.url + PAGE, 200]);
  });

  it('lets nobody in whose groups no tenant of the provider admits, and says so in the reader’s language', async () => {
    const browser = newBrowser();
    const callback = await issuer.signIn(browser, startUrl(), 'out');
    const answer = await browser.send(callback, { headers: { 'accept-language': 'zh-CN' } });
    assert.equal(answer.status, 403);
    const page = await answer.text();
    assert.match(page, /均没有任何租户的访问权限/);
    assert.match(page, /lang="zh-CN"/);
    assert.equal(sessionOf(browser), '');
    const strict = await world.db.query("SELECT FROM imageplane.principal WHERE tenant = 'strict'");
    assert.equal(
      strict.rowCount,
      0,
      'the group has the same name in a tenant that the provider may not speak for',
    );
  });

  it('goes on after the issuer has rotated its keys', async () => {
    await signIn('kay');
    await issuer.rotateKeys();
    assert.equal((await signIn('kay')).response.status, 200);
    await issuer.rotateKeys();
    assert.equal((await signIn('kay')).response.status, 200);
  });

  it('says that the provider is away when it is, and keeps signed in who is', async () => {
    const { browser } = await signIn('kay');
    const callback = await issuer.signIn(browser, startUrl(), 'kay');
    issuer.away.value = true;
    const answer = await browser.send(callback);
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), /cannot be reached/);
    assert.equal(await open(sessionOf(browser)), 200);
    issuer.away.value = false;
  });
});

describe('a session from a provider', () => {
  it('is renewed by parallel requests to two APIs with one refresh of the token, time and again', async () => {
    const { browser } = await signIn('pro');
    const another = await world.anotherApi();
    const cookie = `imageplane_session=${sessionOf(browser)}`;
    try {
      for (let round = 0; round < 3; round++) {
        const before = issuer.refreshes('pro');
        await world.db.query(
          "UPDATE imageplane.identity SET checked_at = now() - interval '1 hour' WHERE subject = 'pro'",
        );
        const answers = await Promise.all(
          Array.from({ length: 32 }, (_, index) =>
            (index % 2 === 0 ? world : another).auth('/auth/refresh', {}, { headers: { cookie } }),
          ),
        );
        assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
        const { given, refused } = issuer.refreshes('pro');
        assert.deepEqual([given - before.given, refused - before.refused], [1, 0]);
        const renewed =
          /imageplane_session=([^;]+)/.exec(answers[0]?.headers.get('set-cookie') ?? '')?.[1] ?? '';
        assert.equal(await open(renewed), 200);
      }
    } finally {
      await another.stop();
    }
  });

  it('ends within the stated time when the provider drops the person from the groups, and stays ended', async () => {
    const { browser } = await signIn('lea');
    const lea = issuer.people.get('lea');
    assert.ok(lea);
    lea.groups = [];
    const since = Date.now();
    await until('the session is refused', async () => (await open(sessionOf(browser))) === 401);
    assert.ok(Date.now() - since < (RECHECK_MINUTES * 60 + 30) * 1000);
    const principal = await principalOf('lea');
    assert.equal(principal?.disabled, true);
    assert.equal((await audited('members:dropped', principal.id)).length, 1);
    lea.groups = ['everyone'];
    assert.equal((await signIn('lea')).response.status, 200);
    assert.equal((await principalOf('lea'))?.id, principal.id);
  });

  it('ends when the provider disables the account', async () => {
    const { browser } = await signIn('dis');
    issuer.people.set('dis', { name: 'dis', department: '', groups: ['everyone'], disabled: true });
    await until('the session is refused', async () => (await open(sessionOf(browser))) === 401);
  });

  it('ends when the role changes, and the next one has the new role', async () => {
    const { browser } = await signIn('rob');
    const rob = issuer.people.get('rob');
    assert.ok(rob);
    rob.groups = ['everyone', 'testers'];
    await until('the session is refused', async () => (await open(sessionOf(browser))) === 401);
    const next = await signIn('rob');
    assert.equal(next.response.status, 200);
    assert.equal((await principalOf('rob'))?.role, 'tester');
  });

  it('does not come back by signing in when an administrator has disabled the account', async () => {
    await signIn('eve');
    const eve = await principalOf('eve');
    await world.db.query('UPDATE imageplane.principal SET disabled_at = now() WHERE id = $1', [eve?.id]);
    const browser = newBrowser();
    const answer = await browser.send(await issuer.signIn(browser, startUrl(), 'eve'));
    assert.equal(answer.status, 403);
    assert.match(await answer.text(), /disabled by an administrator/);
  });

  it('is listed, ended one by one or all at once, by its owner and by who manages members', async () => {
    const first = await signIn('kay');
    const second = await signIn('kay');
    const admin = await world.adminKey('acme');
    const kay = await principalOf('kay');
    const list = async (): Promise<{ id: string; principal: string; provider: string }[]> => {
      const answer = await world.call(admin, 'GET', `/api/v1/sessions?principal=${kay?.id ?? ''}`);
      return ((await answer.json()) as { sessions: { id: string; principal: string; provider: string }[] })
        .sessions;
    };
    const [newest] = await list();
    assert.equal(newest?.provider, 'corp');
    const foreign = await world.adminKey('beta');
    assert.equal((await world.call(foreign, 'DELETE', `/api/v1/sessions/${newest.id}`)).status, 404);
    assert.equal((await world.call(admin, 'DELETE', `/api/v1/sessions/${newest.id}`)).status, 204);
    await until('the ended one is refused', async () => (await open(sessionOf(second.browser))) === 401);
    assert.equal(await open(sessionOf(first.browser)), 200);

    const page = await (await first.browser.send(`${world.url}/auth/sessions`)).text();
    assert.match(page, /this browser/);
    const third = await signIn('kay');
    const ended = await first.browser.send(`${world.url}/auth/sessions/end`, { form: { all: 'yes' } });
    assert.equal(ended.status, 303);
    await until('all are refused', async () => (await open(sessionOf(third.browser))) === 401);
    assert.deepEqual(await list(), []);
  });

  it('ends here and at the provider at sign-out, which no other site can bring about', async () => {
    const { browser } = await signIn('ada');
    const cookie = sessionOf(browser);
    const foreign = await browser.send(`${world.url}/auth/sign-out`, {
      form: {},
      headers: { origin: 'https://evil.example' },
    });
    assert.equal(foreign.status, 403);
    const silent = await fetch(`${world.url}/auth/refresh`, {
      method: 'POST',
      headers: { cookie: `imageplane_session=${cookie}` },
    });
    assert.equal(silent.status, 403);
    assert.equal(await open(cookie), 200);

    const page = await (await browser.send(`${world.url}/auth/sign-out`, { form: {} })).text();
    assert.equal(sessionOf(browser), '');
    await until('the copied cookie is refused', async () => (await open(cookie)) === 401);
    const target =
      /http-equiv="refresh" content="0;url=([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
    assert.ok(target.startsWith(`${issuer.url}/session/end?`), target);
    const confirm = await browser.follow(target);
    const form = await confirm.response.text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(form)?.[1] ?? '';
    const done = await browser.follow(`${issuer.url}/session/end/confirm`, {
      form: { xsrf, logout: 'yes' },
      until: new RegExp(`^${world.url}/`),
    });
    assert.equal(done.url, `${world.url}/`);
    const again = await browser.follow(startUrl());
    assert.match(await again.response.text(), /name="login"/);
  });
});
