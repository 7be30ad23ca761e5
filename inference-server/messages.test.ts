import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { RequestError } from '../foundation/errors.ts';
import { messages, refusal, sentence, unsupportedField } from './messages.ts';

const folder = new URL('.', import.meta.url).pathname;
const placeholders = (text: string): string[] =>
  Array.from(new Set(text.match(/\{\w+\}/g)))
    .filter((name) => name !== '{instead}')
    .sort();

describe('the registry of messages', () => {
  it('has every code that the server refuses with', () => {
    const sources = globSync('**/*.ts', { cwd: folder }).filter((name) => !name.endsWith('.test.ts'));
    const codes = sources.flatMap((name) =>
      Array.from(
        readFileSync(`${folder}${name}`, 'utf8').matchAll(/new RequestError\(\s*\d+,\s*'(\w+)'/g),
        ([, code = '']) => `${name}: ${code}`,
      ),
    );
    assert.ok(codes.length > 5);
    const missing = codes.filter((code) => !Object.hasOwn(messages, code.split(': ')[1] ?? ''));
    assert.deepEqual(missing, []);
  });

  it('says in Chinese nothing that the English has no detail for', () => {
    for (const [code, { en, zh }] of Object.entries(messages)) {
      assert.match(code, /^[a-z][a-z0-9_]*$/);
      assert.match(zh, /\p{Script=Han}/u);
      // Sentences that other parts write themselves are summed up here in English, and filled from their details.
      const english = placeholders(en);
      if (english.length > 0) assert.deepEqual(placeholders(zh), english, code);
    }
  });
});

describe('a sentence', () => {
  it('is filled from the details, in either language, with the reason in that language', () => {
    const error = unsupportedField('vm', 'no_vitmatte');
    assert.match(error.message, /field vm .* there is no ViTMatte/);
    assert.match(sentence(error, 'zh'), /字段 vm：没有 ViTMatte/);
    assert.deepEqual(refusal('job_not_done', { job: 'x', retryAfter: 3 }).headers, { 'retry-after': '3' });
  });

  it('stays English where its details are not all there, or its code is not known', () => {
    const bare = new RequestError(422, 'image_too_large', 'Too large.');
    assert.equal(sentence(bare, 'zh'), 'Too large.');
    assert.equal(sentence(new RequestError(400, 'something_else', 'Else.'), 'zh'), 'Else.');
    const full = new RequestError(503, 'queue_full', 'Full.', { headers: { 'retry-after': '7' } });
    assert.match(sentence(full, 'zh'), /7 秒后重试/);
  });
});
