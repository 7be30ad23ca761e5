import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messages, refusal, sentence } from './messages.ts';

describe('messages', () => {
  it('say in both languages what happened, and what to do, with the same details', () => {
    const details = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
    for (const [code, { status, en, zh }] of Object.entries(messages)) {
      assert.match(code, /^[a-z][a-z0-9_]*$/);
      assert.ok(status >= 400 && status < 600);
      assert.match(zh, /\p{Script=Han}/u);
      if (!['access_denied', 'service_unavailable'].includes(code)) {
        assert.match(en, /\.$/, code);
        assert.deepEqual(
          details(zh).filter((name) => !/\{tenant\}|\{service\}/.test(name)),
          details(en).filter((name) => !/\{tenant\}|\{service\}/.test(name)),
          code,
        );
      }
    }
  });

  it('fill in their details and tell how long to wait', () => {
    const error = refusal('rate_limited', { limit: 5, retryAfter: 7 });
    assert.deepEqual(error.headers, { 'retry-after': '7' });
    assert.equal(error.message, 'More than 5 requests a minute. Try again in 7 s.');
    assert.match(sentence(error, 'zh'), /5.*7/);
  });
});
