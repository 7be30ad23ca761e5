import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { identityProvidersConfig } from './config.ts';

const common = { name: 'corp', label: { en: 'Corp', zh: '集团' }, tenants: ['acme'] };
const oidc = { ...common, type: 'oidc', issuer: 'https://id.example', clientId: 'c', clientSecretFile: '/f' };
const ldap = {
  ...common,
  type: 'ldap',
  url: 'ldaps://ldap.example',
  bindDn: 'cn=reader,dc=example',
  bindPasswordFile: '/f',
  userBase: 'ou=people,dc=example',
  groupBase: 'ou=groups,dc=example',
};
const feishu = { ...common, type: 'feishu', appId: 'a', appSecretFile: '/f', tenantKey: 't' };
const accepted = (...providers: unknown[]): boolean => identityProvidersConfig.safeParse(providers).success;

describe('the configuration of identity providers', () => {
  it('is accepted where every secret travels encrypted, or within the machine', () => {
    for (const one of [
      oidc,
      ldap,
      feishu,
      { ...ldap, url: 'ldap://ldap.example', startTls: true },
      { ...ldap, url: 'ldap://127.0.0.1:389' },
      { ...feishu, openUrl: 'http://127.0.0.1:8080' },
    ])
      assert.equal(accepted(one), true, JSON.stringify(one));
  });

  it('is refused where one would travel in the clear', () => {
    for (const one of [
      { ...oidc, issuer: 'http://id.example' },
      { ...ldap, url: 'ldap://ldap.example' },
      { ...ldap, url: 'http://ldap.example' },
      { ...feishu, openUrl: 'http://open.feishu.cn' },
      { ...feishu, openUrl: 'http://127.0.0.1.evil.example' },
    ])
      assert.equal(accepted(one), false, JSON.stringify(one));
  });

  it('names each provider once, and the tenants that it may speak for', () => {
    assert.equal(accepted(oidc, { ...feishu, name: 'other' }), true);
    assert.equal(accepted(oidc, feishu), false);
    assert.equal(accepted({ ...oidc, tenants: [] }), false);
    assert.equal(accepted({ ...oidc, name: '../x' }), false);
  });

  it('is what the documents show, in both languages', () => {
    const [english, chinese] = ['sign-in.md', 'sign-in.zh.md'].map((name) => {
      const text = readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');
      return JSON.parse(/```json\n([^`]+)```/.exec(text)?.[1] ?? '') as unknown;
    });
    assert.deepEqual(chinese, english);
    const { identityProviders } = z.object({ identityProviders: z.unknown() }).parse(english);
    assert.deepEqual(
      identityProvidersConfig.parse(identityProviders).map(({ type }) => type),
      ['oidc', 'dingtalk', 'feishu', 'ldap'],
    );
  });
});
