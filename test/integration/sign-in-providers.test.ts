import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type BrowserClient, createBrowserClient } from '../support/browser-client.ts';
import { type Dingtalk, startDingtalk } from '../support/dingtalk.ts';
import { type Feishu, startFeishu } from '../support/feishu.ts';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import type { LocalServer } from '../support/json-server.ts';
import { until } from '../support/program.ts';
import { type Slapd, startSlapd } from '../support/slapd.ts';

const PAGE = '/s/acme/echo/page';
const RECHECK_MINUTES = 0.1;
const dingtalkApp = { clientId: 'dingabc', clientSecret: 'secret of dingtalk' };
const feishuApp = { appId: 'cli_abc', appSecret: 'secret of feishu' };

let world: IdentityWorld;
let dingtalk: Dingtalk;
let feishu: Feishu;
let slapd: Slapd;

const tenants = `apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  displayName: Acme
  plan: enterprise
  limits: {requestsPerMinute: 100000}
  groups:
    - {name: '20', role: editor}
    - {name: od-design, role: editor}
    - {name: designers, role: editor}
    - {name: testers, role: tester}
---
apiVersion: imageplane.dev/v1alpha1
kind: ImageService
metadata: {name: echo, namespace: tenant-acme}
spec: {displayName: Echo, engine: container, container: {localURL: 'http://127.0.0.1:1'}}
`;

before(async () => {
  [dingtalk, feishu, slapd] = await Promise.all([
    startDingtalk(dingtalkApp),
    startFeishu(feishuApp),
    startSlapd(),
  ]);
  const acme = { tenants: ['acme'] };
  world = await createIdentityWorld(async (file) => {
    const directory = {
      type: 'ldap',
      ...acme,
      bindDn: slapd.adminDn,
      bindPasswordFile: await file('ldap-secret', slapd.adminPassword),
      userBase: `ou=people,${slapd.suffix}`,
      groupBase: `ou=groups,${slapd.suffix}`,
      userFilter: '(&(objectClass=inetOrgPerson)(!(employeeType=left)))',
    };
    const ca = { caFile: slapd.certificate.certFile };
    return {
      objects: { paths: [await file('acme.yaml', tenants)] },
      recheck: { minutes: RECHECK_MINUTES, graceMinutes: 60 },
      identityProviders: [
        {
          type: 'dingtalk',
          name: 'dingtalk',
          label: { en: 'DingTalk', zh: '钉钉' },
          ...acme,
          clientId: dingtalkApp.clientId,
          clientSecretFile: await file('dingtalk-secret', dingtalkApp.clientSecret),
          corpId: 'ding-acme',
          loginUrl: dingtalk.url,
          apiUrl: dingtalk.url,
          oapiUrl: dingtalk.url,
        },
        {
          type: 'feishu',
          name: 'feishu',
          label: { en: 'Feishu', zh: '飞书' },
          ...acme,
          appId: feishuApp.appId,
          appSecretFile: await file('feishu-secret', feishuApp.appSecret),
          tenantKey: 'tk-acme',
          accountsUrl: feishu.url,
          openUrl: feishu.url,
        },
        { ...directory, ...ca, name: 'ldaps', label: { en: 'LDAPS', zh: '目录' }, url: slapd.secureUrl },
        {
          ...directory,
          ...ca,
          name: 'starttls',
          label: { en: 'STARTTLS', zh: '目录' },
          url: slapd.url,
          startTls: true,
        },
        { ...directory, name: 'distrusted', label: { en: 'No CA', zh: '目录' }, url: slapd.secureUrl },
      ],
    };
  });
});
after(async () => {
  await world.close();
  await Promise.all([dingtalk.close(), feishu.close(), slapd.stop()]);
});

const startUrl = (name: string): string =>
  `${world.url}/auth/providers/${name}/start?next=${encodeURIComponent(PAGE)}`;
const sessionOf = (browser: BrowserClient): string => browser.cookies(world.url)['imageplane_session'] ?? '';
const open = async (cookie: string): Promise<number> =>
  (await fetch(world.url + PAGE, { headers: { cookie: `imageplane_session=${cookie}` } })).status;
const seen = (header: string): string => {
  const value = world.upstream.seen.at(-1)?.headers[header];
  return decodeURIComponent(typeof value === 'string' ? value : '');
};

/** By a provider's own page; gives what the browser ends with. */
async function visit(name: string) {
  const browser = createBrowserClient();
  return { browser, ...(await browser.follow(startUrl(name))) };
}

/** By name and password. */
async function bind(name: string, login: string, password: string) {
  const browser = createBrowserClient();
  const form = { login, password, next: PAGE };
  return { browser, ...(await browser.follow(`${world.url}/auth/providers/${name}/password`, { form })) };
}

async function answersInstead<T>(
  server: LocalServer,
  reply: LocalServer['instead']['reply'],
  use: () => Promise<T>,
): Promise<T> {
  server.instead.reply = reply;
  try {
    return await use();
  } finally {
    server.instead.reply = undefined;
  }
}

async function ended(browser: BrowserClient): Promise<void> {
  const since = Date.now();
  await until('the session is refused', async () => (await open(sessionOf(browser))) === 401);
  assert.ok(Date.now() - since < (RECHECK_MINUTES * 60 + 25) * 1000);
}

describe('signing in with DingTalk', () => {
  const member = { unionId: 'u-1', userid: 'manager01', name: '李 雷', departments: [21] };

  it('takes the name, the department and all departments above it from the organisation', async () => {
    dingtalk.members.set('u-1', member);
    Object.assign(dingtalk.login, { unionId: 'u-1', nick: 'Lei', corpId: 'ding-acme' });
    const { url, response } = await visit('dingtalk');
    assert.deepEqual([url, response.status], [world.url + PAGE, 200]);
    assert.deepEqual([seen('x-user-name'), seen('x-department')], ['李 雷', '视觉组']);
    dingtalk.endToken();
    assert.equal((await visit('dingtalk')).response.status, 200, 'with a new token of the application');
  });

  it('refuses accounts of another organisation, strangers to this one, and its external contacts', async () => {
    dingtalk.members.set('u-2', {
      unionId: 'u-2',
      userid: 'guest',
      name: '外',
      departments: [20],
      contactType: 1,
    });
    for (const [unionId, corpId] of [
      ['u-1', 'ding-other'],
      ['u-3', 'ding-acme'],
      ['u-2', 'ding-acme'],
    ] as const) {
      Object.assign(dingtalk.login, { unionId, corpId });
      const { browser, response } = await visit('dingtalk');
      assert.equal(response.status, 403);
      assert.match(await response.text(), /another organisation/);
      assert.equal(sessionOf(browser), '');
    }
    Object.assign(dingtalk.login, { unionId: 'u-1', corpId: 'ding-acme' });
  });

  it('takes no error for a success, whatever status it comes with', async () => {
    const browser = createBrowserClient();
    for (const [reply, expected] of [
      [{ body: { code: 'Forbidden', message: '没有调用该接口的权限', requestid: 'x' } }, 403],
      [{ status: 400, body: { code: 'invalidAuthCode.notFound', message: '不存在的临时授权码' } }, 403],
      [{ body: {} }, 502],
      [{ status: 500, body: { code: 'system.error' } }, 502],
      [{ body: '<html>busy</html>' }, 502],
    ] as const) {
      const back = (await browser.follow(startUrl('dingtalk'), { until: /\/callback\?/ })).url;
      const answer = await answersInstead(dingtalk, reply, () => browser.send(back));
      assert.equal(answer.status, expected, JSON.stringify(reply));
      assert.equal(sessionOf(browser), '');
    }
  });

  it('ends the session of whoever leaves the organisation, within the stated time', async () => {
    const { browser } = await visit('dingtalk');
    await answersInstead(dingtalk, { body: { errcode: -1, errmsg: '系统繁忙' } }, async () => {
      await until('DingTalk was asked in vain', async () => {
        const { rowCount } = await world.db.query(
          "SELECT FROM imageplane.identity WHERE subject = 'u-1' AND failing_since IS NOT NULL",
        );
        return rowCount === 1;
      });
      assert.equal(await open(sessionOf(browser)), 200, 'an error is no leave-taking');
    });
    await world.db.query('UPDATE imageplane.identity SET checking_until = NULL');
    dingtalk.members.delete('u-1');
    await ended(browser);
  });
});

describe('signing in with Feishu', () => {
  it('takes the name, the department and all departments above it from the organisation', async () => {
    feishu.members.set('ou_1', { name: '韩 梅梅', departments: ['od-visual'] });
    Object.assign(feishu.login, { openId: 'ou_1', name: 'Mei', tenantKey: 'tk-acme' });
    const { url, response } = await visit('feishu');
    assert.deepEqual([url, response.status], [world.url + PAGE, 200]);
    assert.deepEqual([seen('x-user-name'), seen('x-department')], ['韩 梅梅', '视觉组']);
    feishu.endToken();
    assert.equal((await visit('feishu')).response.status, 200, 'with a new token of the application');
  });

  it('refuses accounts of another organisation, and who has left, is frozen or out of sight', async () => {
    feishu.members.set('ou_2', { name: '离', departments: ['od-design'], status: { is_resigned: true } });
    feishu.members.set('ou_3', { name: '冻', departments: ['od-design'], status: { is_frozen: true } });
    feishu.members.set('ou_4', { name: '隐', departments: ['od-design'], hidden: true });
    for (const [openId, tenantKey] of [
      ['ou_1', 'tk-other'],
      ...['ou_2', 'ou_3', 'ou_4', 'ou_5'].map((id) => [id, 'tk-acme'] as const),
    ] as const) {
      Object.assign(feishu.login, { openId, tenantKey });
      const { browser, response } = await visit('feishu');
      assert.equal(response.status, 403, openId);
      assert.match(await response.text(), /another organisation/);
      assert.equal(sessionOf(browser), '');
    }
    Object.assign(feishu.login, { openId: 'ou_1', tenantKey: 'tk-acme' });
  });

  it('takes no error for a success, whatever status it comes with', async () => {
    const browser = createBrowserClient();
    for (const [reply, expected] of [
      [{ body: { code: 20003, error: 'invalid_grant', error_description: 'The code is not found.' } }, 403],
      [{ body: { code: 99991400, msg: 'request trigger frequency limit' } }, 403],
      [{ body: { access_token: 'u-1' } }, 502],
      [{ status: 502, body: 'bad gateway' }, 502],
    ] as const) {
      const back = (await browser.follow(startUrl('feishu'), { until: /\/callback\?/ })).url;
      const answer = await answersInstead(feishu, reply, () => browser.send(back));
      assert.equal(answer.status, expected, JSON.stringify(reply));
      assert.equal(sessionOf(browser), '');
    }
  });

  it('ends the session of whoever resigns, within the stated time', async () => {
    const { browser } = await visit('feishu');
    feishu.members.set('ou_1', { name: '韩 梅梅', departments: [], status: { is_resigned: true } });
    await ended(browser);
  });
});

describe('signing in with an LDAP directory', () => {
  let people: Record<'ada' | 'bob' | 'odd', string>;
  before(async () => {
    people = {
      ada: await slapd.addPerson('ada', 'correct horse', { cn: '王 芳', ou: '设计部' }),
      bob: await slapd.addPerson('bob', 'battery staple'),
      odd: await slapd.addPerson('o*(d)\\d', 'a password', { cn: 'Odd' }),
    };
    await slapd.addGroup('designers', [people.ada, people.odd]);
    await slapd.addGroup('testers', [people.bob]);
  });

  it('finds the account, tries the password on it, over LDAPS and over StartTLS', async () => {
    for (const name of ['ldaps', 'starttls']) {
      const { url, response } = await bind(name, 'ada', 'correct horse');
      assert.deepEqual([url, response.status], [world.url + PAGE, 200]);
      assert.deepEqual([seen('x-user-name'), seen('x-department')], ['王 芳', '设计部']);
    }
    assert.equal((await bind('ldaps', 'o*(d)\\d', 'a password')).response.status, 200);
  });

  it('refuses what is not both right, with one sentence, and never asks with an empty password', async () => {
    for (const [login, password] of [
      ['ada', 'wrong'],
      ['ada', ''],
      ['nobody', 'correct horse'],
      ['', 'x'],
      ['ada', 'battery staple'],
    ] as const) {
      const { browser, response } = await bind('ldaps', login, password);
      assert.equal(response.status, 401, `${login}/${password}`);
      assert.match(await response.text(), /The user name, the password or the code is wrong/);
      assert.equal(sessionOf(browser), '');
    }
  });

  it('reads nothing in a name as part of the filter', async () => {
    for (const login of [
      '*',
      'a*',
      'ada)(uid=*',
      '*)(|(uid=ada',
      'ada)(&',
      '\\61da',
      'ada\0',
      ')(objectClass=*',
      people.ada,
    ])
      assert.equal((await bind('ldaps', login, 'correct horse')).response.status, 401, login);
  });

  it('sends no password to a server whose certificate it cannot check', async () => {
    const { response } = await bind('distrusted', 'ada', 'correct horse');
    assert.equal(response.status, 502);
  });

  it('bounds the attempts at one name, from wherever they come', async () => {
    for (let count = 0; count < 10; count++) await bind('starttls', 'bob', `guess ${count}`);
    assert.equal((await bind('starttls', 'BOB', 'battery staple')).response.status, 429);
    assert.equal((await bind('ldaps', 'bob', 'battery staple')).response.status, 200);
  });

  it('ends the session of whoever is dropped from the groups, excluded or removed, within the stated time', async () => {
    const ada = await bind('ldaps', 'ada', 'correct horse');
    const odd = await bind('ldaps', 'o*(d)\\d', 'a password');
    const bob = await bind('ldaps', 'bob', 'battery staple');
    await slapd.change(async (client) => {
      const { Attribute, Change } = await import('ldapts');
      const replace = (type: string, values: string[]) =>
        new Change({ operation: 'replace', modification: new Attribute({ type, values }) });
      await client.modify(`cn=designers,ou=groups,${slapd.suffix}`, replace('member', [people.odd]));
      await client.modify(people.odd, replace('employeeType', ['left']));
      await client.del(people.bob);
    });
    for (const { browser } of [ada, odd, bob]) await ended(browser);
    assert.equal((await bind('ldaps', 'ada', 'correct horse')).response.status, 403);
    assert.equal((await bind('ldaps', 'o*(d)\\d', 'a password')).response.status, 401);
  });
});
