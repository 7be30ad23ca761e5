import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

type Now<T> = T | Promise<T>;

/**
 * One attack on two implementations. Against the tempting one it must work: otherwise it would show nothing of ours.
 * `attack` says whether it got what it wanted.
 */
export function stops<T>(
  what: string,
  attack: (target: T) => Now<boolean>,
  targets: { naive: () => Now<T>; ours: () => Now<T> },
): void {
  describe(what, { concurrency: false }, () => {
    it('works against the implementation that comes to mind first', async () => {
      assert.equal(await attack(await targets.naive()), true);
    });
    it('gets nothing here', async () => {
      assert.equal(await attack(await targets.ours()), false);
    });
  });
}
