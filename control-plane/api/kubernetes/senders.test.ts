import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { RequestError } from '../../../foundation/errors.ts';
import { createLogger } from '../../../foundation/logger.ts';
import type { Client } from '../../../operator/runtime/types.ts';
import { createSenders, type TenantNamespace, USAGE_AUDIENCE } from './senders.ts';

type Status = { authenticated: boolean; audiences?: string[]; user?: { username: string } };

const ACCOUNT = 'system:serviceaccount:tenant-demo:imageplane-svc-cutout';
const valid: Status = { authenticated: true, audiences: [USAGE_AUDIENCE], user: { username: ACCOUNT } };

describe('whose usage a token brings', () => {
  let reviews: number;
  let status: Status | Error;
  let namespaces: Record<string, TenantNamespace>;
  let ms: number;
  let senderOf: ReturnType<typeof createSenders>;

  beforeEach(() => {
    [reviews, ms, status] = [0, 0, valid];
    namespaces = { 'tenant-demo': { uid: 'one', tenant: 'demo' } };
    const unused = (): never => {
      throw new Error('only reviews are asked for');
    };
    const client: Client = {
      get: unused,
      list: unused,
      apply: unused,
      update: unused,
      delete: unused,
      create<T>() {
        reviews += 1;
        return status instanceof Error ? Promise.reject(status) : Promise.resolve({ status } as T);
      },
    };
    senderOf = createSenders({
      client,
      namespaceOf: (name) => namespaces[name],
      nowMs: () => ms,
      logger: createLogger('test', 'fatal'),
    });
  });

  it('is asked once a minute, however many send at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => senderOf('token')));
    assert.deepEqual(new Set(answers), new Set(['demo/cutout']));
    assert.equal(reviews, 1);
    ms = 59_000;
    await senderOf('token');
    assert.equal(reviews, 1);
    ms = 60_001;
    status = { authenticated: false };
    assert.equal(await senderOf('token'), undefined);
    assert.equal(reviews, 2);
  });

  it('is forgotten with the namespace: one of the same name that came after it has other tokens', async () => {
    assert.equal(await senderOf('token'), 'demo/cutout');
    namespaces = { 'tenant-demo': { uid: 'two', tenant: 'demo' } };
    status = { authenticated: false };
    assert.equal(await senderOf('token'), undefined);
    namespaces = {};
    assert.equal(await senderOf('token'), undefined);
  });

  it('follows the tenant that a namespace belongs to now', async () => {
    assert.equal(await senderOf('token'), 'demo/cutout');
    namespaces = { 'tenant-demo': { uid: 'one', tenant: 'renamed' } };
    assert.equal(await senderOf('token'), 'renamed/cutout');
    assert.equal(reviews, 1);
  });

  it('is nobody’s without our audience, for other accounts and for people', async () => {
    const others: Status[] = [
      { authenticated: true, user: { username: ACCOUNT } },
      { ...valid, audiences: ['https://kubernetes.default.svc'] },
      { ...valid, user: { username: 'system:serviceaccount:tenant-demo:default' } },
      { ...valid, user: { username: 'system:serviceaccount:elsewhere:imageplane-svc-cutout' } },
      { ...valid, user: { username: 'ada' } },
      { ...valid, authenticated: false },
    ];
    for (const [index, other] of others.entries()) {
      status = other;
      assert.equal(await senderOf(`token ${String(index)}`), undefined, JSON.stringify(other));
    }
  });

  it('is asked again soon after a refusal, which may have been too early', async () => {
    status = { authenticated: false };
    assert.equal(await senderOf('token'), undefined);
    status = valid;
    assert.equal(await senderOf('token'), undefined);
    ms = 5_001;
    assert.equal(await senderOf('token'), 'demo/cutout');
  });

  it('is unknown, not nobody’s, while the API server does not answer', async () => {
    status = new Error('away');
    await assert.rejects(senderOf('token'), (error) => {
      assert.ok(error instanceof RequestError);
      return error.status === 503;
    });
    status = valid;
    assert.equal(await senderOf('token'), 'demo/cutout');
  });

  it('is remembered for a bounded number of tokens', async () => {
    await senderOf('first');
    for (let count = 0; count < 10_000; count += 1) await senderOf(`token ${String(count)}`);
    const before = reviews;
    await senderOf('token 9999');
    assert.equal(reviews, before);
    await senderOf('first');
    assert.equal(reviews, before + 1);
  });
});
