/**
 * Binaries of a Kubernetes cluster, found or built.
 *
 *     const { etcd, 'kube-apiserver': apiserver } = await ensureBinaries(['etcd', 'kube-apiserver']);
 *
 * Each name is looked for in KUBEBUILDER_ASSETS, on the PATH (both only when the version fits), then
 * in the cache outside the checkout, and is built from Go modules otherwise: etcd in about one minute
 * and kube-apiserver in about seven on two cores, once. Calls from several processes wait for each
 * other. `onProgress` hears of builds only; `printProgress` is one that writes lines to standard error.
 * Nothing here needs root. Without Go it throws a UsageError that says what to install.
 */
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { type BuildProgress, buildStep, cacheFolder, findBuilt, findFitting } from './build.ts';
import { type BinaryName, type StepName, buildSteps, stepNames, stepOf } from './steps.ts';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';

export type { BinaryName, BuildProgress };

/** Every binary that a whole cluster and its users need. */
export const allBinaries = stepNames.flatMap(
  (name) => Object.keys(buildSteps[name].packages) as BinaryName[],
);

export interface EnsureOptions {
  onProgress?: (progress: BuildProgress) => void;
  /** Says where a binary from outside the cache is taken from. */
  onFound?: (binary: BinaryName, path: string) => void;
}

export function cache(): string {
  return cacheFolder(process.env, process.getuid?.() ?? -1);
}

/** Paths of the named binaries; builds what is missing. */
export async function ensureBinaries<Name extends BinaryName>(
  names: readonly Name[],
  options: EnsureOptions = {},
): Promise<Record<Name, string>> {
  const paths: Partial<Record<BinaryName, string>> = {};
  for (const step of stepNames) {
    const wanted = names.filter((name) => stepOf(name) === step);
    for (const name of wanted) {
      const found = await findFitting(name, buildSteps[step]);
      if (found === undefined) continue;
      paths[name] = found;
      options.onFound?.(name, found);
    }
    const missing = wanted.filter((name) => paths[name] === undefined);
    if (missing.length === 0) continue;
    const folder = await builtOrBuild(step, options.onProgress ?? (() => undefined));
    for (const name of missing) paths[name] = join(folder, name);
  }
  return paths as Record<Name, string>;
}

async function builtOrBuild(step: StepName, onProgress: (progress: BuildProgress) => void): Promise<string> {
  const built = await findBuilt(step, cache());
  if (built !== undefined) return built;
  try {
    return await buildStep(step, cache(), onProgress);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** Seconds that the build of each cached step took when it was built, for reports. */
export async function buildSeconds(): Promise<Partial<Record<StepName, number>>> {
  const seconds: Partial<Record<StepName, number>> = {};
  for (const step of stepNames) {
    const folder = await findBuilt(step, cache());
    if (folder === undefined) continue;
    const record = JSON.parse(await readFile(join(folder, 'build.json'), 'utf8')) as { seconds: number };
    seconds[step] = record.seconds;
  }
  return seconds;
}

/** One line of text for a progress report. */
export function describeProgress(progress: BuildProgress): string {
  const { step, state, seconds, estimateSeconds, packages } = progress;
  switch (state) {
    case 'waiting':
      return `${step}: another process is building it, waiting`;
    case 'building':
      return (
        `${step}: building, ${seconds} s of about ${estimateSeconds} s when nothing is cached, ` +
        `${Math.min(packages.compiled, packages.total)} of at most ${packages.total} packages`
      );
    case 'built':
      return `${step}: built in ${seconds} s`;
  }
}

export function printProgress(progress: BuildProgress): void {
  process.stderr.write(`${describeProgress(progress)}\n`);
}
