import { open } from 'node:fs/promises';
import { blobPath, digestOf } from '../../control-plane/model-store/blobs.ts';
import type { Terminal } from '../../standalone/console.ts';
import type { Manifest, ManifestFile } from './manifest.ts';

export type FileState = 'not pinned' | 'not fetched' | 'intact' | 'damaged';

/** What is in the store of a file, hashed anew when `hash` is asked for. */
async function stateOf(file: ManifestFile, store: string, hash: boolean): Promise<FileState> {
  if (file.sha256 === undefined) return 'not pinned';
  const handle = await open(blobPath(store, file.sha256)).catch(() => undefined);
  if (handle === undefined) return 'not fetched';
  try {
    if (!hash) return (await handle.stat()).size === file.size ? 'intact' : 'damaged';
    const found = await digestOf(handle, () => undefined);
    return found.sha256 === file.sha256 && found.size === file.size ? 'intact' : 'damaged';
  } finally {
    await handle.close();
  }
}

/** Hashes every file in the store; true when none is damaged. */
export async function verify(
  manifests: readonly Manifest[],
  store: string,
  terminal: Terminal,
): Promise<boolean> {
  let fine = true;
  for (const { name, files } of manifests)
    for (const file of files) {
      const state = await stateOf(file, store, true);
      terminal.line(`${name}/${file.name}: ${state}`);
      fine &&= state !== 'damaged';
    }
  return fine;
}

const COLUMNS = ['MODEL', 'FAMILY', 'PRECISION', 'LICENCE', 'COMMERCIAL', 'SIZE', 'FILE'];

/** A table of the catalogue. */
export async function list(manifests: readonly Manifest[], store: string, terminal: Terminal): Promise<void> {
  const rows = [COLUMNS];
  for (const { name, files, spec } of manifests) {
    const states = await Promise.all(files.map((file) => stateOf(file, store, false)));
    const size = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
    const { spdx, commercialUse } = spec.license;
    const megabytes = size === 0 ? '?' : `${(size / 1_000_000).toFixed(1)} MB`;
    const state = states.find((each) => each !== 'intact') ?? 'fetched';
    rows.push([name, spec.family, spec.precision, spdx, commercialUse ? 'yes' : 'NO', megabytes, state]);
  }
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    terminal.line(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}
