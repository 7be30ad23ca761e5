import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { createPasswordHasher, HasherBusy, passwordProblem } from './password.ts';

const quick = { ln: 10, r: 8, p: 1 };
const hasher = createPasswordHasher({ randomBytes, concurrency: 2, waiting: 4, parameters: quick });

describe('a password', () => {
  it('is kept as scrypt with its parameters and a salt of its own', async () => {
    const [first, second] = [await hasher.hash('correct horse'), await hasher.hash('correct horse')];
    assert.match(first, /^scrypt\$10\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
    assert.notEqual(first, second);
    assert.deepEqual(await hasher.verify('correct horse', first), { right: true, outdated: false });
    assert.deepEqual(await hasher.verify('correct horsE', first), { right: false, outdated: false });
  });

  it('is the same in every spelling that Unicode has for it', async () => {
    const stored = await hasher.hash('Ångström-密码-ｆｕｌｌ');
    assert.equal((await hasher.verify('Ångström-密码-full'.normalize('NFD'), stored)).right, true);
  });

  it('goes on under older parameters, and is known to be due for newer ones', async () => {
    const older = createPasswordHasher({
      randomBytes,
      concurrency: 1,
      waiting: 0,
      parameters: { ln: 8, r: 8, p: 1 },
    });
    assert.deepEqual(await hasher.verify('long ago set', await older.hash('long ago set')), {
      right: true,
      outdated: true,
    });
  });

  it('is never right for an account without one, or with something else in its place', async () => {
    for (const stored of [undefined, '', 'scrypt$', 'scrypt$99$8$1$x$y'])
      assert.equal((await hasher.verify('', stored)).right, false);
  });

  it('makes no more work at once than was said, and refuses what is beyond', async () => {
    const stored = await hasher.hash('x');
    const attempts = Array.from({ length: 10 }, () => hasher.verify('y', stored));
    const ended = await Promise.allSettled(attempts);
    const refused = ended.filter(
      (one) => one.status === 'rejected' && (one.reason as unknown) instanceof HasherBusy,
    );
    assert.equal(refused.length, 4);
    assert.equal((await hasher.verify('x', stored)).right, true);
  });

  it('is judged by its length and by what is known of its owner, not by kinds of characters', () => {
    assert.equal(passwordProblem('four plain words here', ['wang.fang', 'acme']), undefined);
    assert.match(passwordProblem('short', [])?.en ?? '', /12 characters/);
    assert.match(passwordProblem('a'.repeat(20), [])?.en ?? '', /different/);
    assert.match(passwordProblem('x'.repeat(300), [])?.en ?? '', /256/);
    assert.match(passwordProblem('i-am-Wang.Fang-2026', ['wang.fang'])?.en ?? '', /must not contain/);
  });
});
