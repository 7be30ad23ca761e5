import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { UsageError } from '../../foundation/errors.ts';
import { accessOf, loadAccess } from './access.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-access-'));
});
after(() => rm(folder, { recursive: true }));

async function kubeconfig(cluster: object, user: object = {}): Promise<string> {
  const file = join(folder, 'config');
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u', namespace: 'ours' } }],
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

describe('the access of a kubeconfig', () => {
  it('has server, namespace, certificates and token', async () => {
    const data = (text: string): string => Buffer.from(text).toString('base64');
    const file = await kubeconfig(
      {
        ...{ server: 'https://api.example:6443', 'tls-server-name': 'kubernetes' },
        'certificate-authority-data': data('ca'),
      },
      { 'client-certificate-data': data('cert'), 'client-key-data': data('key'), token: 'secret' },
    );
    const access = loadAccess(file);
    assert.equal(access.server.href, 'https://api.example:6443/');
    assert.equal(access.namespace, 'ours');
    assert.deepEqual(await access.credentials(), {
      headers: { authorization: 'Bearer secret' },
      tls: {
        ca: Buffer.from('ca'),
        cert: Buffer.from('cert'),
        key: Buffer.from('key'),
        servername: 'kubernetes',
      },
    });
  });

  it('checks certificates unless it says otherwise', async () => {
    const checked = loadAccess(await kubeconfig({ server: 'https://api.example' }));
    assert.deepEqual((await checked.credentials()).tls, {});
    const unchecked = loadAccess(
      await kubeconfig({ server: 'https://api.example', 'insecure-skip-tls-verify': true }),
    );
    assert.deepEqual((await unchecked.credentials()).tls, { rejectUnauthorized: false });
  });

  it('is refused with what to do next', async () => {
    const cases: [string, RegExp][] = [
      [join(folder, 'none'), /cannot be read/],
      [await kubeconfig({ server: 'http://api.example' }), /https/],
    ];
    for (const [file, message] of cases)
      assert.throws(
        () => loadAccess(file),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    const proxied = await kubeconfig({ server: 'https://api.example', 'proxy-url': 'http://proxy.example' });
    assert.throws(() => loadAccess(proxied), /proxy-url/);
  });
});

describe("the access of a pod's service account", () => {
  it('reads its token again, because the kubelet replaces it', async () => {
    mock.timers.enable({ apis: ['Date'] });
    try {
      const tokenFile = join(folder, 'token');
      await writeFile(tokenFile, 'first\n');
      const config = new KubeConfig();
      config.loadFromClusterAndUser(
        { name: 'c', server: 'https://api.example', skipTLSVerify: false },
        { name: 'u', authProvider: { name: 'tokenFile', config: { tokenFile } } },
      );
      const access = accessOf(config);
      const header = async (): Promise<string | undefined> =>
        (await access.credentials()).headers['authorization'];
      assert.equal(await header(), 'Bearer first');
      await writeFile(tokenFile, 'second\n');
      mock.timers.tick(61_000);
      assert.equal(await header(), 'Bearer second');
    } finally {
      mock.timers.reset();
    }
  });
});
