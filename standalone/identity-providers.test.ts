import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { UsageError } from '../foundation/errors.ts';
import { loadIdentityProviders } from './identity-providers.ts';

const folder = mkdtempSync(join(tmpdir(), 'imageplane-providers-test-'));
after(() => {
  rmSync(folder, { recursive: true });
});
const file = join(folder, 'providers.yaml');
writeFileSync(join(folder, 'oidc.secret'), 'x');

const corp = `- type: oidc
  name: corp
  label: {en: Corporate account, zh: 集团账号}
  tenants: [demo]
  issuer: https://id.example.com
  clientId: imageplane
  clientSecretFile: oidc.secret
`;

const load = (text: string): ReturnType<typeof loadIdentityProviders> => {
  writeFileSync(file, text);
  return loadIdentityProviders(file, ['demo']);
};
const problemOf = async (text: string): Promise<string> => {
  try {
    await load(text);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.message.replaceAll(`${file}:`, '');
  }
  assert.fail('it was accepted');
};

describe('the file of identity providers', () => {
  it('is a list in YAML or JSON, and names files from its own folder', async () => {
    const [provider] = await load(corp);
    assert.equal(provider?.type, 'oidc');
    assert.equal(provider.clientSecretFile, join(folder, 'oidc.secret'));
    const json = JSON.stringify([{ ...provider, clientSecretFile: join(folder, 'oidc.secret') }]);
    assert.deepEqual(await load(json), [provider]);
    assert.deepEqual(await load('[]'), []);
  });

  it('that is wrong is refused with line and field', async () => {
    const cases: [change: (text: string) => string, expected: RegExp][] = [
      [(text) => text.replace('https:', 'http:'), /^5:11: \[0\]\.issuer: /],
      [(text) => text.replace('clientId', 'clientid'), /^6:\d+: \[0\]\.clientid: there is no such field$/m],
      [(text) => text.replace('  clientId: imageplane\n', ''), /^1:3: \[0\]\.clientId: /m],
      [(text) => text.replace('type: oidc', 'type: saml'), /^1:9: \[0\]\.type: .*oidc/],
      [
        (text) => text.replace('[demo]', '[demo, other]'),
        /^4:19: \[0\]\.tenants\[1\]: there is no tenant other/,
      ],
      [
        (text) => text.replace('oidc.secret', 'none'),
        /^7:21: \[0\]\.clientSecretFile: the file cannot be read/,
      ],
      [(text) => text + text, /^1:1: Two providers have the same name/],
      [(text) => text.replace('name: corp', 'name: [corp'), /^\d+:\d+: not valid YAML/],
      [() => 'identityProviders: []', /^1:1: .*array/],
      [() => '', /^1:1: one list/],
      [(text) => `${text}---\n${text}`, /^1:1: one list/],
    ];
    for (const [change, expected] of cases) assert.match(await problemOf(change(corp)), expected);
  });

  it('that cannot be read is named with its option', async () => {
    await assert.rejects(
      loadIdentityProviders(join(folder, 'missing'), []),
      /^UsageError: --identity-providers .*missing: ENOENT/,
    );
  });
});
