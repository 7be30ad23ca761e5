import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { create } from 'tar';
import { openPackages } from './npm-package.ts';

describe('packages downloaded by npm', () => {
  let root: string;
  let registry: Server;
  let downloads = 0;
  let tarball: Buffer;
  const silent = (): void => undefined;
  const never = new AbortController().signal;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'imageplane-npm-'));
    await mkdir(join(root, 'package'));
    const script = `node -e "require('fs').writeFileSync('${join(root, 'ran')}', '')"`;
    await writeFile(
      join(root, 'package', 'package.json'),
      JSON.stringify({ name: 'weights', version: '1.0.0', scripts: { prepare: script, prepack: script } }),
    );
    await create({ file: join(root, 'weights.tgz'), gzip: true, cwd: root }, ['package']);
    tarball = await readFile(join(root, 'weights.tgz'));
    registry = createServer((request, response) => {
      if (request.url === '/weights.tgz') {
        downloads++;
        response.end(tarball);
      } else if (request.url === '/weights') {
        const dist = {
          tarball: `${address()}/weights.tgz`,
          integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
        };
        const version = { name: 'weights', version: '1.0.0', dist };
        response.end(
          JSON.stringify({
            name: 'weights',
            versions: { '1.0.0': version },
            'dist-tags': { latest: '1.0.0' },
          }),
        );
      } else response.writeHead(404).end('{}');
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
    process.env['npm_config_registry'] = address();
    process.env['npm_config_fetch_retries'] = '0';
  });
  after(async () => {
    registry.closeAllConnections();
    registry.close();
    await rm(root, { recursive: true, force: true });
  });
  const address = (): string => `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;

  it('come once, run nothing, and are gone after close', async () => {
    const folder = join(root, 'tmp');
    const packages = openPackages(folder);
    const [one, two] = await Promise.all([
      packages.tarball('weights@1.0.0', never, silent),
      packages.tarball('weights@1.0.0', never, silent),
    ]);
    assert.equal(one, two);
    assert.deepEqual(await readFile(one), tarball);
    assert.equal(downloads, 1);
    assert.ok(!(await readdir(root)).includes('ran'));
    await packages.close();
    assert.deepEqual(await readdir(folder), []);
  });

  it('that no registry answers for are an error that says so', async () => {
    const packages = openPackages(join(root, 'tmp'));
    process.env['npm_config_registry'] = 'http://127.0.0.1:9';
    try {
      await assert.rejects(
        packages.tarball('weights@1.0.0', never, silent),
        /npm cannot reach its registry \(ECONNREFUSED\)[^]*start again/,
      );
    } finally {
      process.env['npm_config_registry'] = address();
      await packages.close();
    }
  });

  it('that do not exist are an error with what npm says', async () => {
    const packages = openPackages(join(root, 'tmp'));
    await assert.rejects(
      packages.tarball('absent@1.0.0', never, silent),
      /npm:absent@1.0.0: npm pack failed: .*404/s,
    );
    await packages.close();
  });

  it('are an error that says so when there is no npm', async () => {
    const packages = openPackages(join(root, 'tmp'), join(root, 'no-npm'));
    await assert.rejects(
      packages.tarball('weights@1.0.0', never, silent),
      /not installed or not on the PATH/,
    );
    await packages.close();
  });
});
