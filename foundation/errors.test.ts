import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { errorBody } from '../contracts/error.ts';
import { type ErrorCode, errorCodes, errorGroups } from '../contracts/error-codes.ts';
import { chineseRules } from '../contracts/errors/words.ts';
import { errorBodyOf, refusal, RequestError, sentence, toRequestError } from './errors.ts';

const codes = Object.keys(errorCodes) as ErrorCode[];
const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

describe('errorCodes', () => {
  it('say in both languages what happened, with the same details', () => {
    for (const [code, { status, en, zh }] of Object.entries(errorCodes)) {
      assert.match(code, /^[a-z][a-z0-9_]*$/);
      assert.ok(status >= 400 && status < 600, code);
      assert.match(en, /^[A-Z{].*\.$/, code);
      assert.match(zh, /\p{Script=Han}.*。$/u, code);
      assert.deepEqual(placeholders(zh), placeholders(en), code);
    }
  });

  it('are written in Chinese with Chinese punctuation', () => {
    for (const [code, { zh }] of Object.entries(errorCodes)) {
      assert.doesNotMatch(zh, /\p{Script=Han}[,;:!?()]|[,;:!?()]\p{Script=Han}/u, code);
      assert.doesNotMatch(zh, /"/, code);
    }
    for (const [rule, text] of Object.entries(chineseRules)) assert.match(text, /。$/, rule);
  });

  it('have one home each', () => {
    const all = Object.values(errorGroups).flatMap((group) => Object.keys(group));
    assert.deepEqual(all.toSorted(), [...new Set(all)].toSorted());
    assert.equal(all.length, codes.length);
  });
});

describe('refusal', () => {
  it('fills in its details and tells how long to wait', () => {
    const error = refusal('rate_limited', { limit: 5, retryAfter: 7 });
    assert.deepEqual(error.headers, { 'retry-after': '7' });
    assert.equal(error.message, 'More than 5 requests a minute. Try again in 7 s.');
    assert.match(sentence(error, 'zh'), /5.*7/);
  });

  it('says details that are words in the language of the reader, and leaves names as they are', () => {
    const error = refusal('quota_spent', {
      ...{ limit: 5, unit: 'requests', period: 'day', scope: 'tenant', resetsAt: 'T' },
    });
    assert.match(sentence(error, 'zh'), /此租户的每日配额（5 次请求）/);
    const { details } = errorBodyOf(error, { requestId: 'r', language: 'zh' }).error;
    assert.equal(details?.['scope'], 'tenant', 'programs go by it');
  });

  it('gives the reason of a decision in Chinese by its rule', () => {
    const error = refusal('access_denied', {
      rule: 'tenant-addresses',
      reason: 'The address is not allowed.',
    });
    assert.match(sentence(error, 'zh'), /^当前地址不在该租户允许访问的地址范围内。规则：tenant-addresses。/);
    assert.match(sentence(error, 'en'), /^The address is not allowed\. Rule/);
  });

  it('gives, of every code and with any details, a body of the one shape, whole in both languages', () => {
    const text = fc.oneof(fc.string({ maxLength: 20 }), fc.integer());
    fc.assert(
      fc.property(fc.constantFrom(...codes), fc.constantFrom('en', 'zh'), text, (code, language, value) => {
        fc.pre(!/[{}]/.test(String(value)));
        const names = placeholders(errorCodes[code].en).map((name) => name.slice(1, -1));
        const error = refusal(code, Object.fromEntries(names.map((name) => [name, value])));
        const body = errorBodyOf(error, { requestId: 'some-id', language });
        assert.deepEqual(errorBody.parse(JSON.parse(JSON.stringify(body))), body);
        assert.doesNotMatch(body.error.message, /\{\w+\}/);
        assert.equal(/\p{Script=Han}/u.test(body.error.message), language === 'zh');
      }),
    );
  });
});

describe('toRequestError', () => {
  it('gives away nothing of what is our own fault', () => {
    const error = toRequestError(new Error('password hunter2 at /srv/x.ts:3'));
    assert.equal(error.code, 'internal');
    assert.doesNotMatch(
      JSON.stringify(errorBodyOf(error, { requestId: 'r', language: 'zh' })),
      /hunter2|x\.ts/,
    );
    assert.equal(toRequestError(error), error);
    assert.ok(error instanceof RequestError);
  });
});
