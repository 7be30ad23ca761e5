import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { preferredLanguage } from './language.ts';

describe('preferredLanguage', () => {
  it('is Chinese when that is preferred to English, and English otherwise', () => {
    const cases: [string | undefined, string][] = [
      [undefined, 'en'],
      ['', 'en'],
      ['zh', 'zh'],
      ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
      ['en-US,en;q=0.9,zh;q=0.8', 'en'],
      ['zh;q=0.3, *;q=0.5', 'en'],
      ['fr, zh;q=0.1', 'zh'],
      ['zh;q=0', 'en'],
      ['zh;q=nonsense', 'en'],
      ['*', 'en'],
    ];
    for (const [header, expected] of cases) assert.equal(preferredLanguage(header), expected, header);
  });
});
