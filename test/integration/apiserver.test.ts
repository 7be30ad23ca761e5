import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, chmod, copyFile, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Json } from '../../crds/crd.ts';
import { UsageError } from '../../foundation/errors.ts';
import { type ApiUser, connectApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { valueAt } from '../apiserver/install-crds.ts';
import { ensureBinaries, printProgress } from '../cluster/binaries.ts';
import { checkout } from '../support/checkout.ts';
import { until } from '../support/program.ts';

const run = promisify(execFile);
const MAIN = join(checkout, 'test/apiserver/main.ts');
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups'];
const DEFAULT_NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

let binaries: Record<'etcd' | 'kube-apiserver', string>;
before(async () => {
  binaries = await ensureBinaries(['etcd', 'kube-apiserver'], { onProgress: printProgress });
});

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Processes that work in a server's folder or are told of it: its guard, its etcd, its kube-apiserver. */
async function processesOf(folder: string): Promise<{ pid: number; command: string }[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const all = await Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      command: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '),
      place: await readlink(`/proc/${pid}/cwd`).catch(() => ''),
    })),
  );
  return all.filter(({ command, place }) => command.includes(folder) || place.startsWith(folder));
}

async function leftNothing(folder: string): Promise<void> {
  await until('its processes and its folder are gone', async () => {
    return !(await exists(folder)) && (await processesOf(folder)).length === 0;
  });
}

/** Runs `npm run apiserver` as it is, and resolves when it has said where its kubeconfig is. */
async function runMain(
  prefix: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ child: ChildProcess; kubeconfig: string; output: () => string }> {
  // Without a prefix, env runs it as it is.
  const child = spawn('env', [...prefix, process.execPath, MAIN], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until(
    'it has said how to end it',
    () => {
      assert.equal(child.exitCode, null, output);
      return output.includes('Ctrl-C');
    },
    60_000,
  );
  return { child, kubeconfig: /KUBECONFIG=(\S+)/.exec(output)?.[1] ?? '', output: () => output };
}

async function whoAmI({ request }: ApiUser): Promise<Json | undefined> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const { body } = await request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', review);
  return valueAt(body, 'status', 'userInfo');
}

describe('an API server alone', () => {
  it('is up in seconds, three at once do not see each other, and nothing of them is left', async () => {
    const servers = await Promise.all([startApiServer(), startApiServer(), startApiServer()]);
    console.log(`three at once: ready after ${servers.map(({ startMs }) => startMs).join(', ')} ms`);
    assert.equal(new Set(servers.map(({ url }) => url)).size, 3);
    const [first, ...others] = servers;
    assert.equal(
      (await first.request('POST', '/api/v1/namespaces', { metadata: { name: 'mine' } })).status,
      201,
    );
    for (const other of others) {
      const { body } = await other.request('GET', '/api/v1/namespaces');
      const items = valueAt(body, 'items') as { metadata: { name: string } }[];
      assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), DEFAULT_NAMESPACES);
    }
    const folders = servers.map(({ kubeconfig }) => dirname(kubeconfig));
    for (const folder of folders) assert.equal((await processesOf(folder)).length, 3);
    await Promise.all(servers.map((server) => server.stop()));
    for (const folder of folders) {
      assert.equal(await exists(folder), false);
      assert.deepEqual(await processesOf(folder), []);
    }
    await first.stop();
  });

  it('alone starts in less than 10 s', async () => {
    const server = await startApiServer();
    const { startMs = Infinity } = server;
    const memory: string[] = [];
    for (const { pid, command } of await processesOf(dirname(server.kubeconfig))) {
      const peak = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
      const name = /(etcd|kube-apiserver|guard\.ts) /.exec(command)?.[1] ?? command;
      memory.push(`${name} ${Math.round(Number(peak) / 1024)} MiB`);
    }
    await server.stop();
    console.log(`ready after ${startMs} ms; peak memory: ${memory.join(', ')}`);
    assert.ok(startMs < 10_000, `${startMs} ms`);
  });

  it('knows users by their certificates, with all their groups, and lets them do what RBAC says', async () => {
    const server = await startApiServer();
    try {
      const user = await server.addUser('wáng/ada + co', ['tenant=demo', 'developers/all']);
      const info = await whoAmI(user);
      assert.equal(valueAt(info ?? null, 'username'), 'wáng/ada + co');
      assert.deepEqual(valueAt(info ?? null, 'groups'), [
        'tenant=demo',
        'developers/all',
        'system:authenticated',
      ]);
      assert.equal((await user.request('GET', '/api/v1/namespaces')).status, 403);
      const binding = {
        metadata: { name: 'developers-see' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'developers/all' }],
      };
      const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
      assert.equal((await server.request('POST', bindings, binding)).status, 201);
      await until(
        'RBAC has heard of it',
        async () => (await user.request('GET', '/api/v1/namespaces')).status === 200,
      );
      await assert.rejects(server.addUser('x'.repeat(65)), RangeError);
      await assert.rejects(server.addUser('ada', ['']), RangeError);
    } finally {
      await server.stop();
    }
  });

  it('lets nobody in without a certificate, and keeps its keys to its user', async () => {
    const server = await startApiServer();
    try {
      const folder = dirname(server.kubeconfig);
      const mode = async (path: string): Promise<string> =>
        (await run('stat', ['--format=%a', path])).stdout.trim();
      assert.equal(await mode(folder), '700');
      assert.equal(await mode(server.kubeconfig), '600');
      const { stdout } = await run('curl', ['--silent', '--insecure', `${server.url}/api/v1/namespaces`]);
      assert.equal(valueAt(JSON.parse(stdout) as Json, 'code'), 401);
    } finally {
      await server.stop();
    }
  });

  it('says why when one of its programs ends, and ends the other', async () => {
    const server = await startApiServer();
    const folder = dirname(server.kubeconfig);
    const etcd = (await processesOf(folder)).find(({ command }) => command.startsWith(binaries.etcd));
    process.kill(etcd?.pid ?? 0, 'SIGKILL');
    assert.match(await server.ended, /^etcd ended with signal SIGKILL/);
    await leftNothing(folder);
    await server.stop();
  });
});

describe('whoever dies,', () => {
  it('the process that started it: all ends and its folder goes', async () => {
    const { child, kubeconfig } = await runMain([]);
    const folder = dirname(kubeconfig);
    assert.equal((await processesOf(folder)).length, 3);
    child.kill('SIGKILL');
    await leftNothing(folder);
  });

  it('its guard: all ends, and the folder goes with the one who started it', async () => {
    const server = await startApiServer();
    const folder = dirname(server.kubeconfig);
    const guard = (await processesOf(folder)).find(({ command }) => command.includes('guard.ts'));
    process.kill(guard?.pid ?? 0, 'SIGKILL');
    assert.match(await server.ended, /guard ended with SIGKILL/);
    await until('no process is left', async () => (await processesOf(folder)).length === 0);
    await server.stop();
    await leftNothing(folder);
  });

  it('both at once: all ends, and the next start clears the folder away', async () => {
    const { child, kubeconfig } = await runMain([]);
    const folder = dirname(kubeconfig);
    const guard = (await processesOf(folder)).find(({ command }) => command.includes('guard.ts'));
    // Stopped, it cannot clean up before it is killed.
    process.kill(guard?.pid ?? 0, 'SIGSTOP');
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    process.kill(guard?.pid ?? 0, 'SIGKILL');
    await until('no process is left', async () => (await processesOf(folder)).length === 0);
    assert.equal(await exists(folder), true);
    await (await startApiServer()).stop();
    assert.equal(await exists(folder), false);
  });
});

describe('npm run apiserver', () => {
  it('runs until Ctrl-C, and leaves nothing', async () => {
    const { child, kubeconfig, output } = await runMain([]);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    assert.equal(await ended, 0, output());
    assert.equal(await exists(dirname(kubeconfig)), false);
    assert.deepEqual(await processesOf(dirname(kubeconfig)), []);
  });

  it('needs no root', async (t) => {
    if (process.getuid?.() !== 0) {
      t.skip('every other test here has shown it: this is not root');
      return;
    }
    const assets = await mkdtemp(join(tmpdir(), 'imageplane-assets-'));
    try {
      await chmod(assets, 0o755);
      for (const [name, path] of Object.entries(binaries)) {
        await copyFile(path, join(assets, name));
        await chmod(join(assets, name), 0o755);
      }
      const readable = await run('setpriv', [...NOBODY, process.execPath, '--check', MAIN]).then(
        () => true,
        () => false,
      );
      if (!readable) {
        t.skip('the checkout is closed to other users');
        return;
      }
      const env = { PATH: process.env['PATH'], HOME: '/nonexistent', KUBEBUILDER_ASSETS: assets };
      const { child, kubeconfig } = await runMain(['setpriv', ...NOBODY], env);
      const folder = dirname(kubeconfig);
      const { stdout } = await run('stat', ['--format=%u', folder]);
      assert.equal(stdout.trim(), '65534');
      const server = await connectApiServer(kubeconfig);
      assert.equal((await server.request('GET', '/readyz')).status, 200);
      await server.stop();
      child.kill('SIGINT');
      await leftNothing(folder);
    } finally {
      await rm(assets, { recursive: true, force: true });
    }
  });

  it('explains itself, and what it does not understand', async () => {
    const help = await run(process.execPath, [MAIN, '--help']);
    assert.match(help.stdout, /npm run apiserver -- test --kubeconfig FILE/);
    for (const args of [['up'], ['--gpus'], ['test', 'more'], ['--kubeconfig', 'file']])
      await assert.rejects(run(process.execPath, [MAIN, ...args]), { code: 2 });
    await assert.rejects(
      run(process.execPath, [MAIN, 'test', '--kubeconfig', '/nowhere/config']),
      (error) => {
        assert.match((error as { stderr: string }).stderr, /nowhere/);
        return true;
      },
    );
  });
});

describe("somebody's own cluster", () => {
  it('serves the same tests by its kubeconfig, and keeps nothing of them', { timeout: 240_000 }, async () => {
    const server = await startApiServer();
    try {
      const { stdout } = await run(process.execPath, [MAIN, 'test', '--kubeconfig', server.kubeconfig], {
        maxBuffer: 16 * 1024 * 1024,
        // The test runner would take them for its own.
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      });
      assert.match(stdout, /pass [1-9]\d+/);
      assert.match(stdout, /fail 0/);
      const definitions = await server.request(
        'GET',
        '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      );
      assert.deepEqual(valueAt(definitions.body, 'items'), []);
    } finally {
      await server.stop();
    }
  });

  it('gives users by impersonation', async () => {
    const server = await startApiServer();
    const cluster = await connectApiServer(server.kubeconfig);
    try {
      const user = await cluster.addUser('ada', ['developers', 'testers']);
      const info = await whoAmI(user);
      assert.equal(valueAt(info ?? null, 'username'), 'ada');
      assert.deepEqual(valueAt(info ?? null, 'groups'), ['developers', 'testers', 'system:authenticated']);
      assert.equal((await user.request('GET', '/api/v1/namespaces')).status, 403);
      const again = await connectApiServer(user.kubeconfig);
      assert.deepEqual(await whoAmI(again), info);
      await again.stop();
    } finally {
      await cluster.stop();
      await server.stop();
    }
  });

  it('is asked for at once, so that a wrong kubeconfig is told by its name', async () => {
    await assert.rejects(connectApiServer('/nowhere/config'), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /The kubeconfig \/nowhere\/config: /);
      return true;
    });
  });
});
