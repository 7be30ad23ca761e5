import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lockHolder, tryLock } from './process-lock.ts';

describe('a lock between processes', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imageplane-lock-'));
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('is held once and can be taken again after its release', () => {
    const path = join(folder, 'mine');
    const lock = tryLock(path);
    assert.ok(lock);
    assert.equal(tryLock(path), undefined);
    assert.equal(lockHolder(path), process.pid);
    lock.release();
    lock.release();
    const again = tryLock(path);
    assert.ok(again);
    again.release();
  });

  it('names the other process that holds it, and is free once that process was killed', async () => {
    const path = join(folder, 'theirs');
    const program = `
      import { tryLock } from ${JSON.stringify(import.meta.resolve('./process-lock.ts'))};
      const lock = tryLock(${JSON.stringify(path)});
      console.log(lock === undefined ? 'refused' : 'held');
      setInterval(() => lock, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      assert.equal(said.toString().trim(), 'held');
      assert.equal(tryLock(path), undefined);
      assert.equal(lockHolder(path), child.pid);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const lock = tryLock(path);
    assert.ok(lock);
    lock.release();
  });
});
