import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { allBinaries, ensureBinaries, printProgress } from './binaries.ts';
import { takeDown } from './down.ts';
import { type Footprint, differences, footprint } from './footprint.ts';
import { layoutOf } from './layout.ts';
import { findMembers, killProcess } from './members.ts';
import { ensureClusterPackages, ensureImagePackages } from './requirements.ts';
import { foreignKubeconfig } from './testing.ts';

const NAME = 'test-crash';
const layout = layoutOf(NAME);
const MAIN = join(import.meta.dirname, 'main.ts');
const ROUNDS = 5;
const LONGEST_MS = 11_000;

/** A small generator of its own, so that a failure can be had again by its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function run(...parameters: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [MAIN, '--name', NAME, ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

describe('Taking a cluster down after a crash', { skip: foreignKubeconfig !== undefined }, () => {
  let untouched: Footprint;
  const seed = Number(process.env['IMAGEPLANE_TEST_SEED'] ?? Date.now() % 2 ** 32);
  const random = randomFrom(seed);
  before(async () => {
    await ensureClusterPackages(console.error);
    await ensureImagePackages(console.error);
    await ensureBinaries(allBinaries, { onProgress: printProgress });
    await takeDown(layout);
    untouched = await footprint(layout.state);
  });
  after(async () => {
    await takeDown(layout);
  });

  for (let round = 1; round <= ROUNDS; round += 1) {
    // Every second time the command that brings it up is killed too, so that nobody cleans up.
    const alsoUp = round % 2 === 1;
    it(`leaves nothing, whatever was killed at whatever moment (${round} of ${ROUNDS})`, async (context) => {
      const up = spawn(process.execPath, [MAIN, '--name', NAME, 'up'], { stdio: 'ignore' });
      const ended = once(up, 'exit');
      const moment = Math.round(random() * LONGEST_MS);
      await Promise.race([sleep(moment), ended]);
      if (alsoUp) up.kill('SIGKILL');
      const members = await findMembers(layout.state);
      const victims = members.filter(() => random() < 0.3);
      for (const victim of victims) await killProcess(victim);
      context.diagnostic(
        `seed ${seed}: after ${moment} ms killed ${victims.length} of ${members.length}${alsoUp ? ' and the command' : ''}`,
      );
      const down = await run('down');
      assert.equal(down.code, 0, down.output);
      await ended;
      // Where the command lived, it has cleaned up after itself or brought a whole cluster up before.
      const again = await run('down');
      assert.equal(again.code, 0, again.output);
      assert.deepEqual(differences(untouched, await footprint(layout.state)), []);
    });
  }

  it('is not needed after Ctrl-C, which cleans up by itself', async (context) => {
    const up = spawn(process.execPath, [MAIN, '--name', NAME, 'up'], { stdio: 'ignore' });
    const ended = once(up, 'exit') as Promise<[number | null]>;
    const moment = 500 + Math.round(random() * 6000);
    await Promise.race([sleep(moment), ended]);
    up.kill('SIGINT');
    const [code] = await ended;
    context.diagnostic(`seed ${seed}: interrupted after ${moment} ms, exit code ${code ?? 'none'}`);
    if (code === 0) await takeDown(layout);
    assert.deepEqual(differences(untouched, await footprint(layout.state)), []);
  });

  it('ends a build of images whose command was killed', async (context) => {
    assert.equal((await run('up')).code, 0);
    const images = spawn(process.execPath, [MAIN, '--name', NAME, 'images', 'gateway'], { stdio: 'ignore' });
    const ended = once(images, 'exit');
    const moment = 200 + Math.round(random() * 3000);
    await Promise.race([sleep(moment), ended]);
    images.kill('SIGKILL');
    await ended;
    context.diagnostic(`seed ${seed}: killed after ${moment} ms`);
    const down = await run('down');
    assert.equal(down.code, 0, down.output);
    assert.deepEqual(differences(untouched, await footprint(layout.state)), []);
  });

  it('works where there is nothing to take down', async () => {
    const { code, output } = await run('down');
    assert.equal(code, 0);
    assert.match(output, /is down \(0 processes ended\)/);
  });
});
