import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { UsageError } from '../../foundation/errors.ts';
import { subjectOf } from './certificates.ts';
import { type ClusterAccess, kubeconfigOf, readKubeconfig } from './kubeconfig.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-kubeconfig-'));
});
after(async () => {
  await rm(folder, { recursive: true });
});

const SERVER = 'https://192.0.2.7:6443';

async function read(cluster: object, user: object, changes: object = {}): Promise<ClusterAccess> {
  const file = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'mine',
    clusters: [{ name: 'a', cluster: { server: SERVER, ...cluster } }],
    users: [{ name: 'b', user }],
    contexts: [
      { name: 'other', context: { cluster: 'x', user: 'y' } },
      { name: 'mine', context: { cluster: 'a', user: 'b', namespace: 'default' } },
    ],
    preferences: {},
    ...changes,
  };
  await writeFile(file, stringify(config));
  return readKubeconfig(file);
}

describe('a kubeconfig', () => {
  it('gives the cluster and the user of its current context', async () => {
    const data = (text: string): string => Buffer.from(text).toString('base64');
    const access = await read(
      { 'certificate-authority-data': data('CA'), 'tls-server-name': 'kubernetes' },
      { 'client-certificate-data': data('CERT'), 'client-key-data': data('KEY') },
    );
    assert.deepEqual(access, {
      server: SERVER,
      ca: 'CA',
      serverName: 'kubernetes',
      certificate: 'CERT',
      key: 'KEY',
    });
    assert.deepEqual(await read({ 'insecure-skip-tls-verify': true }, { token: 'secret' }), {
      server: SERVER,
      insecure: true,
      token: 'secret',
    });
  });

  it('may name files, from its own folder on', async () => {
    await writeFile(join(folder, 'ca.crt'), 'CA');
    await writeFile(join(folder, 'token'), 'secret\n');
    assert.deepEqual(
      await read({ 'certificate-authority': 'ca.crt' }, { tokenFile: join(folder, 'token') }),
      {
        server: SERVER,
        ca: 'CA',
        token: 'secret',
      },
    );
  });

  it('may name a program that gives the credential', async () => {
    const script =
      'echo "{\\"status\\":{\\"token\\":\\"$NAME-$(echo $KUBERNETES_EXEC_INFO | cut -c3-12)\\"}}"';
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: ['-c', script],
      env: [{ name: 'NAME', value: 'ada' }],
    };
    assert.deepEqual(await read({}, { exec }), { server: SERVER, token: 'ada-apiVersion' });
  });

  it('is refused with its name and what is wrong with it', async () => {
    const expect = async (attempt: Promise<ClusterAccess>, words: RegExp): Promise<void> => {
      await assert.rejects(attempt, (error) => {
        assert.ok(error instanceof UsageError);
        assert.ok(error.message.startsWith(`The kubeconfig ${folder}`), error.message);
        assert.match(error.message, words);
        return true;
      });
    };
    await expect(readKubeconfig(join(folder, 'none')), /no such file/);
    await expect(read({ server: 'http://192.0.2.7' }, {}), /server/);
    await expect(read({}, {}, { 'current-context': 'gone' }), /no context "gone"/);
    await expect(read({}, {}, { clusters: [] }), /no cluster "a"/);
    await expect(read({}, {}, { users: [] }), /no user "b"/);
    await expect(read({}, { 'auth-provider': { name: 'gcp' } }), /auth-provider is not supported/);
    await expect(read({ 'proxy-url': 'http://192.0.2.1' }, {}), /proxy-url is not supported/);
    await expect(read({ 'certificate-authority': 'gone.crt' }, {}), /gone\.crt/);
    await expect(read({}, { exec: { apiVersion: 'v1', command: 'false' } }), /false failed \(1\)/);
  });

  it('that is written says the same when it is read', async () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' });
    const access: fc.Arbitrary<ClusterAccess> = fc.record(
      {
        server: fc.webUrl({ validSchemes: ['https'] }),
        ca: text,
        serverName: text,
        insecure: fc.boolean(),
        certificate: text,
        key: text,
        token: text,
        impersonate: fc.record({ user: text, groups: fc.array(text) }, { noNullPrototype: true }),
      },
      { requiredKeys: ['server'], noNullPrototype: true },
    );
    const file = join(folder, 'written');
    await fc.assert(
      fc.asyncProperty(access, text, async (before, name) => {
        await writeFile(file, kubeconfigOf(before, name));
        assert.deepEqual(await readKubeconfig(file), before);
      }),
    );
  });
});

describe('the subject of a certificate', () => {
  it('has every group, and names that hold its separators', () => {
    assert.equal(subjectOf('ada', []), '/CN=ada');
    assert.equal(subjectOf('a/b+c', ['x\\y', 'k=v']), '/O=x\\\\y/O=k=v/CN=a\\/b\\+c');
  });
});
