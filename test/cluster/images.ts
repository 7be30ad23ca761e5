/** Builds the product's images from its own Dockerfile by buildah, with no registry, and loads them. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ensureBaseImage } from './base-image.ts';
import { cache, ensureBinaries } from './binaries.ts';
import { buildah } from './buildah.ts';
import { attempt } from './exec.ts';
import type { Layout } from './layout.ts';
import { ensureImagePackages } from './requirements.ts';
import { importImage } from './runtime-images.ts';
import { withLock } from './lock.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');

/** A target of the Dockerfile each. */
export const productImages = [
  'inference-server',
  'gateway',
  'api',
  'model-store',
  'operator',
  'postgres-trial',
] as const;
export type ProductImage = (typeof productImages)[number];

/** The name under which pods use an image; with `imagePullPolicy: Never`. */
export function imageName(image: ProductImage): string {
  return `localhost/imageplane/${image}:dev`;
}

/** Lines of an npmrc that name a certificate file, which is elsewhere during the build. */
export function npmSettings(texts: readonly string[], authorities: boolean): string {
  const lines = texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => !/^\s*(cafile|nodedir|prefix|cache)\s*=/.test(line));
  if (authorities) lines.push('cafile=/run/secrets/npm-ca.pem');
  return `${lines.join('\n')}\n`;
}

async function npmConfig(key: string): Promise<string | undefined> {
  const { code, stdout } = await attempt('npm', ['config', 'get', key]);
  const value = stdout.trim();
  return code !== 0 || value === '' || value === 'null' || value === 'undefined' ? undefined : value;
}

/** Writes this machine's npm settings as two secrets of the build; gives buildah's arguments for them. */
async function npmSecrets(folder: string): Promise<string[]> {
  const files = [
    await npmConfig('globalconfig'),
    (await npmConfig('userconfig')) ?? join(homedir(), '.npmrc'),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file ?? '', 'utf8').catch(() => '')));
  const authorities =
    (await npmConfig('cafile')) ?? process.env['NODE_EXTRA_CA_CERTS'] ?? process.env['SSL_CERT_FILE'];
  const certificates = await readFile(authorities ?? '', 'utf8').catch(() => undefined);
  await writeFile(join(folder, 'npmrc'), npmSettings(texts, certificates !== undefined), { mode: 0o600 });
  const secrets = ['--secret', `id=npmrc,src=${join(folder, 'npmrc')}`];
  if (certificates === undefined) return secrets;
  await writeFile(join(folder, 'ca.pem'), certificates);
  return [...secrets, '--secret', `id=npm-ca,src=${join(folder, 'ca.pem')}`];
}

/**
 * Builds the images and loads them into the cluster.
 * @returns seconds that the base image (0 when it was in the cache), the builds and the loading took.
 */
export async function loadImages(
  layout: Layout,
  images: readonly ProductImage[],
  say: (line: string) => void,
): Promise<{ base: number; build: number; load: number }> {
  await ensureImagePackages(say);
  const { ctr } = await ensureBinaries(['ctr']);
  const lap = stopwatch();
  await mkdir(join(layout.state, 'images'), { recursive: true });
  const folder = await mkdtemp(join(layout.state, 'images', 'build-'));
  try {
    return await withLock(join(cache(), '.lock-images'), async () => {
      const made = await ensureBaseImage(layout, say);
      const elapsed = lap();
      const base = made ? elapsed : 0;
      const secrets = await npmSecrets(folder);
      for (const image of images) {
        say(`Building ${imageName(image)}`);
        const source = [
          '--file',
          join(REPOSITORY, 'Dockerfile'),
          '--target',
          image,
          '--tag',
          imageName(image),
          REPOSITORY,
        ];
        await buildah(layout, ['bud', '--quiet', '--pull-never', '--layers', ...secrets, ...source]);
      }
      const build = lap();
      for (const image of images) {
        say(`Loading ${imageName(image)}`);
        const archive = join(folder, `${image}.tar`);
        // Not an oci-archive: containerd would import that without its name.
        await buildah(layout, [
          'push',
          '--quiet',
          imageName(image),
          `docker-archive:${archive}:${imageName(image)}`,
        ]);
        await importImage(layout, ctr, archive);
        await rm(archive);
      }
      return { base, build, load: lap() };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Gives the seconds since its last call, to one decimal. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = Math.round((now - last) / 100) / 10;
    last = now;
    return seconds;
  };
}
