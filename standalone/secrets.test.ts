import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { signAssertion, verifyAssertion } from '../contracts/assertion.ts';
import { jwksFromFile } from '../foundation/jwks-file.ts';
import { type Layout, layoutOf } from './layout.ts';
import { prepareSecrets, type Secrets } from './secrets.ts';

describe('the secrets of a data folder', () => {
  let layout: Layout;
  let secrets: Secrets;
  const json = async (path: string): Promise<JWK> => JSON.parse(await readFile(path, 'utf8')) as JWK;
  const everything = async (): Promise<string[]> =>
    Promise.all((await readdir(layout.secrets)).map((name) => readFile(join(layout.secrets, name), 'utf8')));

  before(async () => {
    layout = layoutOf({ dataDir: await mkdtemp(join(tmpdir(), 'imageplane-secrets-')), cacheDir: '/unused' });
    secrets = await prepareSecrets(layout, ['demo/cutout']);
  });
  after(async () => {
    await rm(layout.data, { recursive: true, force: true });
  });

  it('are readable by their owner alone', async () => {
    assert.equal((await stat(layout.secrets)).mode & 0o777, 0o700);
    for (const name of await readdir(layout.secrets))
      assert.equal((await stat(join(layout.secrets, name))).mode & 0o777, 0o600, name);
  });

  it('sign what their public halves verify', async () => {
    const privateJwk = await json(secrets.assertionKey);
    const privateKey = await importJWK(privateJwk, 'EdDSA');
    assert.ok(!(privateKey instanceof Uint8Array) && privateJwk.kid !== undefined);
    const now = new Date();
    const principal = {
      id: 'p',
      tenant: 'demo',
      kind: 'user',
      name: 'n',
      department: '',
      role: 'viewer',
    } as const;
    const token = signAssertion(
      { aud: 'demo/cutout', jti: '01933333-0000-7000-8000-000000000000', htm: 'POST', htu: '/x', principal },
      { kid: privateJwk.kid, privateKey },
      now,
    );
    const keys = await jwksFromFile(secrets.assertionJwks, Date.now);
    const verified = await verifyAssertion(
      token,
      { audience: 'demo/cutout', method: 'POST', target: '/x' },
      keys,
      now,
    );
    assert.ok(verified.ok);
  });

  it('are not in what is public', async () => {
    const jwks = (await json(secrets.assertionJwks)) as unknown as JSONWebKeySet;
    assert.deepEqual(
      [...jwks.keys, await json(secrets.snapshotPublicKey)].map((key) => 'd' in key),
      [false, false],
    );
  });

  it('leave the intake nothing but a digest of each token', async () => {
    const token = (await readFile(secrets.usageToken('demo/cutout'), 'utf8')).trim();
    const digest = createHash('sha256').update(token).digest('hex');
    assert.deepEqual(await json(secrets.intakeTokens), { 'demo/cutout': digest });
  });

  it('stay as they are at the next start, and grow with a new service', async () => {
    const before = await everything();
    await prepareSecrets(layout, ['demo/cutout']);
    assert.deepEqual(await everything(), before);
    await prepareSecrets(layout, ['demo/cutout', 'demo/second']);
    assert.deepEqual(Object.keys(await json(secrets.intakeTokens)), ['demo/cutout', 'demo/second']);
  });

  it('say which file to delete when a key is damaged', async () => {
    await writeFile(secrets.snapshotKey, '{}');
    await assert.rejects(
      prepareSecrets(layout, []),
      /snapshot\.private\.jwk\.json is not an Ed25519 key any more/,
    );
  });
});
