import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { startApiServer } from './apiserver.ts';
import { VARIABLE } from './for-tests.ts';
import { installCrds } from './install-crds.ts';

const HELP = `etcd and a real kube-apiserver alone, without root and without a node: for trying CRDs and operators.

  npm run apiserver
      Prints the kubeconfig and runs until Ctrl-C, which leaves nothing. Several can run side by side.
      There is no controller-manager: Deployments make no pods, deleted namespaces stay Terminating.
  npm run apiserver -- --crds
      Installs the kinds of Imageplane in it, and makes the namespace tenant-demo.
  npm run apiserver -- test
      Runs the tests of the CRDs, on servers of their own.
  npm run apiserver -- test --kubeconfig FILE
      Runs them on any cluster, as its administrator; ${VARIABLE}=FILE does the
      same for npm test. Nothing is built then. They install the CRDs there, use names of their own,
      and remove what they made.

  IMAGEPLANE_CACHE     the cache's folder instead of /var/cache/imageplane (root) or ~/.cache/imageplane
  KUBEBUILDER_ASSETS   a folder with etcd, kube-apiserver and kubectl to use instead of building them

The first time, both programs are built from Go modules into the cache, which takes minutes. Where
there is no Go, put them into KUBEBUILDER_ASSETS or on the PATH, or use a cluster that you have.
For a whole cluster with a node: npm run cluster -- --help`;

const CHECKOUT = join(import.meta.dirname, '..', '..');
const TESTS = 'test/integration/crds*.test.ts';

interface Options {
  command: 'help' | 'run' | 'test';
  crds: boolean;
  kubeconfig: string | undefined;
}

function parseCommandLine(args: string[]): Options {
  const options = {
    help: { type: 'boolean', short: 'h' },
    crds: { type: 'boolean' },
    kubeconfig: { type: 'string' },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const { help = false, crds = false, kubeconfig } = values;
    const [word, ...more] = positionals;
    const unknown = word === 'test' ? more[0] : word;
    if (unknown !== undefined) throw new Error(`Unknown: ${unknown}`);
    if (kubeconfig !== undefined && word !== 'test')
      throw new Error('--kubeconfig goes with test: a cluster that runs already need not be started');
    return { command: help ? 'help' : word === 'test' ? 'test' : 'run', crds, kubeconfig };
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\n\n${HELP}`);
  }
}

async function serve(crds: boolean): Promise<number> {
  const server = await startApiServer();
  // Until now a signal ended this process, and the server with it.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const stopped = Promise.race(signals.map(async (signal) => once(process, signal)));
  if (crds) {
    await installCrds(server.request);
    await server.request('POST', '/api/v1/namespaces', { metadata: { name: 'tenant-demo' } });
  }
  const seconds = ((server.startMs ?? 0) / 1000).toFixed(1);
  console.log(
    `A Kubernetes API at ${server.url}, ready after ${seconds} s. For kubectl and any other tool:\n`,
  );
  console.log(`  export KUBECONFIG=${server.kubeconfig}`);
  console.log(`  kubectl apply --server-side -f ${crds ? 'examples/' : 'crds/'}\n`);
  console.log('Ctrl-C ends it and removes everything.');
  const reason = await Promise.race([stopped, server.ended]);
  await server.stop();
  if (typeof reason !== 'string') return 0;
  console.error(reason);
  return 1;
}

async function test(kubeconfig: string | undefined): Promise<number> {
  const env = { ...process.env };
  if (kubeconfig !== undefined) {
    const file = resolve(kubeconfig);
    await access(file).catch((error: unknown) => {
      throw new UsageError(messageOf(error));
    });
    env[VARIABLE] = file;
  }
  const args = ['--test', '--test-concurrency=1', '--test-timeout=300000', TESTS];
  const child = spawn(process.execPath, args, { cwd: CHECKOUT, env, stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

async function main(): Promise<number> {
  const { command, crds, kubeconfig } = parseCommandLine(process.argv.slice(2));
  switch (command) {
    case 'help':
      console.log(HELP);
      return 0;
    case 'run':
      return serve(crds);
    case 'test':
      return test(kubeconfig);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
