import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type BuildProgress, buildStep, findBuilt, goTarget } from './build.ts';
import { withLock } from './lock.ts';

const hasGo = (await goTarget('pause')) !== undefined;

describe('Building binaries into the cache', { skip: !hasGo }, () => {
  let cache: string;
  before(async () => {
    cache = await mkdtemp(join(tmpdir(), 'imageplane-build-test-'));
  });
  after(async () => {
    await rm(cache, { recursive: true, force: true });
  });

  it('never uses what a killed build left, and removes it', async () => {
    const script = `
      import { buildStep } from ${JSON.stringify(join(import.meta.dirname, 'build.ts'))};
      await buildStep('pause', ${JSON.stringify(cache)}, () => process.stdout.write('started'));
    `;
    // An empty Go cache makes the build long enough to be killed in its midst.
    const env = { ...process.env, GOCACHE: join(cache, '.go') };
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await once(child, 'exit');
    assert.equal(await findBuilt('pause', cache), undefined);
    assert.ok((await readdir(cache)).some((entry) => entry.startsWith('.part-pause-')));
    await mkdir(join(cache, '.part-pause-older'));
    await writeFile(join(cache, '.part-pause-older', 'pause'), 'half');
    const folder = await buildStep('pause', cache, () => undefined);
    const program = await readFile(join(folder, 'pause'));
    assert.equal(program.subarray(1, 4).toString(), 'ELF');
    assert.deepEqual(
      (await readdir(cache)).filter((entry) => entry.startsWith('.part-')),
      [],
    );
  });

  it('builds once for two at the same time', async () => {
    await rm((await findBuilt('pause', cache)) ?? join(cache, 'none'), { recursive: true, force: true });
    const progress: BuildProgress[] = [];
    const build = (): Promise<string> => buildStep('pause', cache, (report) => progress.push(report));
    const [first, second] = await Promise.all([build(), build()]);
    assert.equal(first, second);
    assert.equal(progress.filter(({ state }) => state === 'built').length, 1);
  });
});

describe('A lock on a file', () => {
  it('is given back when its holder is killed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imageplane-lock-test-'));
    const file = join(folder, 'lock');
    const script = `
      import { withLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))};
      await withLock(${JSON.stringify(file)}, () => new Promise(() => { process.stdout.write('held'); setInterval(() => {}, 1000); }));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    let waited = false;
    const taken = withLock(file, () => Promise.resolve('taken'), {
      onWait: () => {
        waited = true;
        child.kill('SIGKILL');
      },
    });
    assert.equal(await taken, 'taken');
    assert.equal(waited, true);
    await rm(folder, { recursive: true, force: true });
  });
});
