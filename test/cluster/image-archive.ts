/** An image of one static program and nothing else, as an archive that containerd imports. */
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from './exec.ts';

const PLAIN = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

/** Writes `archive` (docker-archive format) holding `program` as its entry point under `image`. */
export async function writeProgramImage(archive: string, image: string, program: string): Promise<void> {
  const folder = await mkdtemp(`${archive}-`);
  try {
    await copyFile(program, join(folder, 'program'));
    await execute('tar', [
      ...PLAIN,
      '--mode=0755',
      '-cf',
      join(folder, 'layer.tar'),
      '-C',
      folder,
      'program',
    ]);
    const layer = await readFile(join(folder, 'layer.tar'));
    const configuration = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Entrypoint: ['/program'], User: '65532' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(configuration));
    const manifest = [{ Config: 'config.json', RepoTags: [image], Layers: ['layer.tar'] }];
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    const files = ['manifest.json', 'config.json', 'layer.tar'];
    await execute('tar', [...PLAIN, '-cf', archive, '-C', folder, ...files]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
