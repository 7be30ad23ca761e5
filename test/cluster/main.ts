import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { UsageError, messageOf } from '../../foundation/errors.ts';
import { allBinaries, ensureBinaries, printProgress } from './binaries.ts';
import { takeDown } from './down.ts';
import { HELP } from './help.ts';
import { type ProductImage, imageName, loadImages, productImages } from './images.ts';
import { type Layout, layoutOf } from './layout.ts';
import { logNames } from './logs.ts';
import { type Options, parseCommandLine } from './options.ts';
import { requireRoot } from './requirements.ts';
import { describeStatus, statusOf, suffix } from './status.ts';
import { bringUp, withClusterLock } from './up.ts';

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function up(layout: Layout, options: Options): Promise<number> {
  const { gpus, mig, maxPods } = options;
  const { seconds, already } = await bringUp(layout, { gpus, mig, maxPods, say, onProgress: printProgress });
  const name = suffix(layout.name);
  console.log(
    [
      already
        ? `The cluster ${layout.name} is up already.`
        : `The cluster ${layout.name} is ready after ${seconds} s.`,
      '',
      `  npm run cluster --${name} kubectl get pods --all-namespaces`,
      `  npm run cluster --${name} images     # build and load the product's images`,
      `  npm run cluster --${name} down`,
      '',
      `Or with any tool: export KUBECONFIG=${layout.kubeconfig}`,
    ].join('\n'),
  );
  return 0;
}

async function down(layout: Layout): Promise<number> {
  requireRoot(process.platform, process.getuid?.());
  const killed = await withClusterLock(layout, say, () => takeDown(layout));
  console.log(`The cluster ${layout.name} is down (${killed} processes ended).`);
  return 0;
}

async function images(layout: Layout, rest: readonly string[]): Promise<number> {
  const unknown = rest.find((word) => !productImages.some((image) => image === word));
  if (unknown !== undefined)
    throw new UsageError(`There is no image «${unknown}». Known: ${productImages.join(', ')}`);
  await requireCluster(layout);
  const chosen: readonly ProductImage[] = productImages.filter(
    (image) => rest.length === 0 || rest.includes(image),
  );
  const { base, build, load } = await loadImages(layout, chosen, say);
  const first = base > 0 ? `base ${base} s, ` : '';
  console.log(`Loaded (${first}build ${build} s, load ${load} s); use with imagePullPolicy: Never`);
  for (const image of chosen) console.log(`  ${imageName(image)}`);
  return 0;
}

async function requireCluster(layout: Layout): Promise<void> {
  const status = await statusOf(layout);
  if (!status.exists || !status.ready) throw new UsageError(describeStatus(layout.name, status));
}

async function logs(layout: Layout, rest: readonly string[]): Promise<number> {
  const names = await logNames(layout);
  const [wanted] = rest;
  if (wanted === undefined) {
    console.log(names.length === 0 ? `The cluster ${layout.name} has no logs.` : names.join('\n'));
    return 0;
  }
  if (!names.includes(wanted))
    throw new UsageError(`There is no log «${wanted}». There are: ${names.join(', ') || 'none'}`);
  await pipeline(createReadStream(join(layout.componentLogs, `${wanted}.log`)), process.stdout, {
    end: false,
  });
  return 0;
}

/** Runs a program in our place: its input, output and exit code are ours. */
async function become(
  command: string,
  parameters: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const child = spawn(command, parameters, { stdio: 'inherit', env });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? (signal === null ? 1 : 130);
}

async function client(layout: Layout, options: Options, program: 'kubectl' | 'helm'): Promise<number> {
  const kubeconfig = options.kubeconfig ?? layout.kubeconfig;
  await access(kubeconfig).catch(() => {
    throw new UsageError(
      `There is no ${kubeconfig}. Bring the cluster up: npm run cluster -- up${suffix(layout.name)}`,
    );
  });
  const binaries = await ensureBinaries([program], { onProgress: printProgress });
  return become(binaries[program], options.rest, { ...process.env, KUBECONFIG: kubeconfig });
}

async function test(options: Options): Promise<number> {
  const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.test.ts'));
  const paths = files.map((file) => join(import.meta.dirname, file));
  const env = { ...process.env };
  if (options.kubeconfig !== undefined) env['IMAGEPLANE_TEST_KUBECONFIG'] = options.kubeconfig;
  return become(process.execPath, ['--test', '--test-concurrency=1', '--test-timeout=600000', ...paths], env);
}

async function run(given: readonly string[]): Promise<number> {
  const options = parseCommandLine(given);
  const layout = layoutOf(options.name);
  switch (options.command) {
    case 'help':
      console.log(HELP);
      return 0;
    case 'up':
      return up(layout, options);
    case 'down':
      return down(layout);
    case 'images':
      return images(layout, options.rest);
    case 'status':
      console.log(describeStatus(layout.name, await statusOf(layout)));
      return 0;
    case 'logs':
      return logs(layout, options.rest);
    case 'kubectl':
    case 'helm':
      return client(layout, options, options.command);
    case 'test':
      return test(options);
    case 'build':
      console.log(
        Object.entries(await ensureBinaries(allBinaries, { onProgress: printProgress }))
          .map(([name, path]) => `${name}: ${path}`)
          .join('\n'),
      );
      return 0;
  }
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  say(error instanceof UsageError ? error.message : `Failed: ${messageOf(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
