import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { classes, tableOf } from './classes.ts';

const root = new URL('../../', import.meta.url);
/** Tables are aligned by the formatter; what is in them counts. */
const plain = (text: string): string => text.replace(/ {2,}/g, ' ').replace(/-{2,}/g, '-');

describe('the document of security classes', () => {
  for (const [language, file] of [
    ['en', 'docs/security.md'],
    ['zh', 'docs/security.zh.md'],
  ] as const)
    it(`has the table of what is tested, in ${file}`, () => {
      assert.ok(
        plain(readFileSync(new URL(file, root), 'utf8')).includes(tableOf(language)),
        `put this in:\n${tableOf(language)}`,
      );
    });

  it('names every test, and files that there are', () => {
    const cwd = new URL('test/security', root).pathname;
    const tests = globSync('**/*.test.ts', { cwd }).filter((name) => name !== 'documented.test.ts');
    assert.deepEqual(classes.map(({ test }) => test).sort(), tests.sort());
    for (const file of classes.flatMap(({ stoppedIn }) => stoppedIn))
      assert.ok(existsSync(new URL(file, root)), file);
  });
});
