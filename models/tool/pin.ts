import { rename, writeFile } from 'node:fs/promises';
import { fetchFile } from '../../control-plane/model-store/fetch-file.ts';
import { fetchFirst, type FirstFetch } from '../../control-plane/model-store/first-fetch.ts';
import type { FetchProgress } from '../../control-plane/model-store/progress.ts';
import { createMeter, progressText } from '../../standalone/progress-line.ts';
import type { Terminal } from '../../standalone/console.ts';
import { type Manifest, type ManifestFile, withDigest } from './manifest.ts';

/** What a person said beforehand, for where nobody can be asked. */
export interface Accepted {
  /** Digests that were given with the command, in lower case. */
  digests: readonly string[];
  /** The SPDX identifier of the licence, given with the command. */
  licence: string | undefined;
}

export interface PinOptions {
  store: string;
  terminal: Terminal;
  accepted: Accepted;
  /** Undefined where nobody can be asked. */
  ask: ((question: string) => Promise<string>) | undefined;
  signal: AbortSignal;
  now: () => number;
  fetch?: typeof fetch;
}

export type Pinned = 'pinned' | 'pinned already' | 'refused';

const DIGITS_TO_TYPE = 8;

/** Fetches what has no digest, shows it, asks, and records it. The manifest is changed as a whole or not at all. */
export async function pin(manifest: Manifest, options: PinOptions): Promise<Pinned> {
  const { terminal } = options;
  const open = manifest.files.filter(({ sha256 }) => sha256 === undefined);
  if (open.length === 0) {
    terminal.line(`${manifest.name} is pinned already: every file has its sha256.`);
    return 'pinned already';
  }
  for (const line of licenceLines(manifest)) terminal.line(line);
  let text = manifest.text;
  for (const file of open) {
    const fetched = await fetchShown(manifest, file, options);
    try {
      if (!(await accepted(manifest, file, fetched, options))) return 'refused';
      const { sha256, size } = fetched;
      text = withDigest(text, file.name, { sha256, size });
      await fetchFile({ source: `file:${fetched.path}`, sha256, size }, options.store, {
        signal: options.signal,
      });
    } finally {
      await fetched.discard();
    }
  }
  await replace(manifest.path, text);
  terminal.line(`Recorded in ${manifest.path}. The model can be used from now on.`);
  return 'pinned';
}

function licenceLines({ name, spec }: Manifest): string[] {
  const { spdx, commercialUse, source, notice } = spec.license;
  return [
    `${name}: ${spec.displayName ?? spec.family}`,
    `  licence    ${spdx}, ${commercialUse ? 'commercial use allowed' : 'NOT for commercial use'}`,
    `             ${source}`,
    ...(notice === undefined ? [] : [`             ${notice}`]),
  ];
}

async function fetchShown(manifest: Manifest, file: ManifestFile, options: PinOptions): Promise<FirstFetch> {
  const { terminal, store, signal, now } = options;
  terminal.line(`  file       ${file.name}`);
  terminal.line(`  source     ${file.source}`);
  const meter = createMeter();
  const onProgress = (progress: FetchProgress): void => {
    const speed = meter.speed(progress.bytes, now());
    terminal.progress(`${file.name}:${progress.phase}`, progressText(manifest.name, progress, speed));
  };
  const fetched = await fetchFirst(file.source, store, {
    signal,
    onProgress,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  }).finally(() => {
    terminal.endProgress();
  });
  terminal.line(`  size       ${fetched.size} bytes`);
  terminal.line(`  sha256     ${fetched.sha256}`);
  return fetched;
}

async function accepted(
  manifest: Manifest,
  file: ManifestFile,
  fetched: FirstFetch,
  { terminal, accepted: given, ask }: PinOptions,
): Promise<boolean> {
  const published = file === manifest.files[0] ? manifest.publishedDigest : undefined;
  if (published !== undefined && !agrees(published, fetched)) {
    terminal.line(`  published  ${published}: NOT this file. It was not kept, and nothing was recorded.`);
    return false;
  }
  if (published !== undefined) terminal.line(`  published  ${published}: the same`);
  const { spdx } = manifest.spec.license;
  if (given.digests.length > 0) {
    const digest = given.digests.includes(fetched.sha256);
    const licence = !manifest.spec.license.acknowledgementRequired || given.licence === spdx;
    if (!digest) terminal.line('This is not the digest given with --accept. Nothing was recorded.');
    else if (!licence)
      terminal.line(`The licence must be accepted too: --licence ${spdx}. Nothing was recorded.`);
    return digest && licence;
  }
  if (ask === undefined) {
    terminal.line(`Nobody can be asked here. To record it: --accept ${fetched.sha256} --licence ${spdx}`);
    return false;
  }
  const begin = fetched.sha256.slice(0, DIGITS_TO_TYPE);
  const answer = await ask(
    `Type the first ${DIGITS_TO_TYPE} digits of the sha256 to accept this file and its licence ${spdx}; anything else leaves: `,
  );
  if (answer.trim().toLowerCase() === begin) return true;
  terminal.line('Nothing was recorded.');
  return false;
}

function agrees(published: string, fetched: FirstFetch): boolean {
  const [algorithm, digest] = published.split(':');
  if (algorithm === 'sha256') return digest === fetched.sha256;
  return algorithm === 'md5' && digest === fetched.md5;
}

async function replace(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}
