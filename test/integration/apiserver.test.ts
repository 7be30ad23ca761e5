import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { access, chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startApiServer } from '../apiserver/apiserver.ts';
import { ensureBinaries, printProgress } from '../cluster/binaries.ts';
import { checkout } from '../support/checkout.ts';
import { until } from '../support/program.ts';
import { processesNaming } from '../support/standalone.ts';

const run = promisify(execFile);
const MAIN = 'test/apiserver/main.ts';
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];

let binaries: Record<'etcd' | 'kube-apiserver', string>;

before(async () => {
  binaries = await ensureBinaries(['etcd', 'kube-apiserver'], { onProgress: printProgress });
});

async function leftNothing(folder: string): Promise<void> {
  await until('its processes and its folder are gone', async () => {
    const exists = await access(folder).then(
      () => true,
      () => false,
    );
    return !exists && (await processesNaming(folder)).length === 0;
  });
}

describe('the API server alone', () => {
  it('runs several times side by side, each in less than 10 s, and leaves nothing', async () => {
    const from = performance.now();
    const servers = await Promise.all([startApiServer(), startApiServer()]);
    const seconds = (performance.now() - from) / 1000;
    console.log(`two at once: ready after ${seconds.toFixed(1)} s`);
    const [first, second] = servers;
    assert.notEqual(first.url, second.url);
    const made = await first.api.call('POST', '/api/v1/namespaces', { metadata: { name: 'mine' } });
    assert.equal(made.status, 201);
    assert.equal((await second.api.call('GET', '/api/v1/namespaces/mine')).status, 404);
    await Promise.all(servers.map((server) => server.stop()));
    await Promise.all(servers.map(({ kubeconfig }) => leftNothing(dirname(kubeconfig))));
    assert.ok(seconds < 20, `two at once took ${seconds} s`);
  });

  it('knows other users by their certificates, and lets them do nothing unasked', async () => {
    const server = await startApiServer();
    try {
      const { kubectl } = await ensureBinaries(['kubectl'], { onProgress: printProgress });
      const developer = await server.addUser('ada', 'tenant-demo-developers');
      const env = { ...process.env, KUBECONFIG: developer, HOME: dirname(developer) };
      const { stdout } = await run(kubectl, ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo}'], { env });
      assert.match(stdout, /"username":"ada"/);
      assert.match(stdout, /tenant-demo-developers/);
      await assert.rejects(run(kubectl, ['get', 'secrets'], { env }), /forbidden/i);
    } finally {
      await server.stop();
    }
  });

  it('ends with the process that started it, also when that is killed', async () => {
    const child = spawn(process.execPath, [MAIN], { cwd: checkout, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('it has said where its kubeconfig is', () => output.includes('KUBECONFIG='));
    const folder = dirname(/KUBECONFIG=(\S+)/.exec(output)?.[1] ?? '');
    assert.ok((await processesNaming(folder)).length >= 2);
    child.kill('SIGKILL');
    await leftNothing(folder);
  });

  it('needs no root', { skip: process.getuid?.() !== 0 && 'this test is not root itself' }, async (t) => {
    const assets = await mkdtemp(join(tmpdir(), 'imageplane-assets-'));
    try {
      await chmod(assets, 0o755);
      for (const [name, path] of Object.entries(binaries)) await copyFile(path, join(assets, name));
      const readable = await run('setpriv', [...NOBODY, 'test', '-r', join(checkout, MAIN)]).then(
        () => true,
        () => false,
      );
      if (!readable) {
        t.skip('the checkout is closed to other users');
        return;
      }
      const child = spawn('setpriv', [...NOBODY, process.execPath, MAIN], {
        cwd: checkout,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { PATH: process.env['PATH'], HOME: assets, KUBEBUILDER_ASSETS: assets },
      });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await until('it is ready', () => output.includes('Ready after'));
      const folder = dirname(/KUBECONFIG=(\S+)/.exec(output)?.[1] ?? '');
      child.kill('SIGINT');
      await leftNothing(folder);
    } finally {
      await rm(assets, { recursive: true, force: true });
    }
  });
});
