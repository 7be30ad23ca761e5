import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { pythonEnvironment } from '../support/python.ts';

const photo = z.object({ name: z.string(), path: z.string(), licence: z.string(), author: z.string() });
type PhotoFile = z.infer<typeof photo>;

export interface Photo extends PhotoFile {
  /** A PNG. */
  bytes: Buffer;
}

/** The photographs that test/bench/photos.py finds in Python packages: written to a folder, and gone after `use`. */
export async function withPhotos<T>(use: (photos: Photo[]) => Promise<T>): Promise<T> {
  const { python, variables } = await pythonEnvironment('photos');
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-photos-'));
  try {
    const script = fileURLToPath(new URL('photos.py', import.meta.url));
    const env = { ...process.env, ...variables };
    const { stdout } = await promisify(execFile)(python, [script, folder], { env });
    const files = z.array(photo).parse(JSON.parse(stdout));
    return await use(
      await Promise.all(files.map(async (file) => ({ ...file, bytes: await readFile(file.path) }))),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
