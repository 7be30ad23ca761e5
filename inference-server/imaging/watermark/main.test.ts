import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('main.ts', import.meta.url));
const photo = fileURLToPath(new URL('../../../examples/photos/astronaut.jpg', import.meta.url));
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-watermark-'));
  await writeFile(join(folder, 'key'), 'a key of the tests, 32 bytes long');
  await writeFile(join(folder, 'short'), 'short');
});

after(async () => {
  await rm(folder, { recursive: true });
});

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

describe('npm run watermark', () => {
  it('marks a picture and reads whose it is', async () => {
    const key = ['--key-file', join(folder, 'key')];
    const output = join(folder, 'marked.png');
    assert.equal((await run('read', photo, ...key)).code, 1);
    const marked = await run('mark', photo, output, ...key, '--owner', 'tenant:acme');
    assert.equal(marked.code, 0, marked.err);
    const read = await run('read', output, ...key, '--owner', 'tenant:other', '--owner', 'tenant:acme');
    assert.deepEqual([read.code, read.out], [0, marked.out]);
    assert.match(read.out, /^[0-9a-f]{10} tenant:acme\n$/);
    assert.equal((await run('read', output, ...key, '--owner', 'tenant:other')).code, 1);
  });

  it('says in a sentence what is wrong with how it was called', async () => {
    const noKey = await run('read', photo);
    assert.deepEqual([noKey.code, /Usage: npm run watermark/.test(noKey.err)], [2, true]);
    const shortKey = await run('read', photo, '--key-file', join(folder, 'short'));
    assert.deepEqual([shortKey.code, /at least 16 bytes/.test(shortKey.err)], [2, true]);
    const notThere = await run('read', join(folder, 'nothing.png'), '--key-file', join(folder, 'key'));
    assert.equal(notThere.code, 2);
  });
});
