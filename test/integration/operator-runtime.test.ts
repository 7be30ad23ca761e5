import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import type { Rule } from '../support/api-faults.ts';
import { childName } from '../support/copy-operator.ts';
import { type CopySceneOptions, withScene } from '../support/copy-scene.ts';
import { until } from '../support/program.ts';

let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server.stop());

interface FaultCase {
  name: string;
  rules: Rule[];
  options?: CopySceneOptions;
  /** The fault ends by itself, or else with the changes. */
  ends: 'by itself' | 'with the changes';
}

const cases: FaultCase[] = [
  {
    name: '410 in answer to a watch',
    rules: [{ on: 'watch', times: 4, fault: { kind: 'answer', status: 410, reason: 'Expired' } }],
    ends: 'by itself',
  },
  {
    name: '410 as an event of a watch',
    rules: [{ on: 'watch', times: 4, fault: { kind: 'error-event', code: 410, reason: 'Expired' } }],
    ends: 'by itself',
  },
  {
    name: 'another error as an event of a watch',
    rules: [{ on: 'watch', times: 12, fault: { kind: 'error-event', code: 500, reason: 'InternalError' } }],
    ends: 'by itself',
  },
  {
    name: '429 with Retry-After for everything',
    rules: (['watch', 'write'] as const).map((on) => ({
      on,
      times: 4,
      fault: { kind: 'answer', status: 429, reason: 'TooManyRequests', retryAfterSeconds: 1 },
    })),
    ends: 'by itself',
  },
  {
    name: '500 for watches and lists',
    rules: [
      { on: 'watch', times: 12, fault: { kind: 'answer', status: 500 } },
      { on: 'list', times: 3, fault: { kind: 'answer', status: 503 } },
    ],
    ends: 'by itself',
  },
  {
    name: '503 for writes',
    rules: [{ on: 'write', times: 20, fault: { kind: 'answer', status: 503 } }],
    ends: 'by itself',
  },
  {
    name: 'answers of writes that are lost',
    rules: [{ on: 'write', times: 10, fault: { kind: 'lose-answer' } }],
    ends: 'by itself',
  },
  {
    name: 'watches that are cut in the middle of a line',
    rules: [{ on: 'watch', times: 20, fault: { kind: 'cut', afterBytes: 700 } }],
    ends: 'by itself',
  },
  {
    name: 'lists that are cut in the middle',
    rules: [
      { on: 'watch', times: 2, fault: { kind: 'answer', status: 410, reason: 'Expired' } },
      { on: 'list', times: 5, fault: { kind: 'cut', afterBytes: 300 } },
    ],
    ends: 'by itself',
  },
  {
    name: 'bytes that are missing from a line',
    rules: [{ on: 'watch', times: 6, fault: { kind: 'drop-bytes', afterBytes: 250, count: 90 } }],
    ends: 'by itself',
  },
  {
    name: 'watches that fall silent and stay open',
    rules: [{ on: 'watch', times: 4, fault: { kind: 'hold', afterBytes: 400 } }],
    options: { limits: { silenceMs: 800 } },
    ends: 'by itself',
  },
  {
    name: 'writes that are never answered',
    rules: [{ on: 'write', times: 3, fault: { kind: 'hold', afterBytes: 0 } }],
    options: { timeoutMs: 1000 },
    ends: 'by itself',
  },
  {
    name: 'a slow server',
    rules: [{ on: () => true, fault: { kind: 'delay', ms: 150 } }],
    ends: 'with the changes',
  },
  {
    name: 'events that are lost without a trace',
    rules: [{ on: 'watch', fault: { kind: 'lose-events' } }],
    options: { limits: { verifyMs: 2500 } },
    ends: 'with the changes',
  },
];

const LOST = 'imageplane_reflector_missed_events_total';

describe('an operator, at an API server with faults', () => {
  for (const { name, rules, options = {}, ends } of cases)
    it(`converges and misses nothing: ${name}`, async () => {
      await withScene(server, options, async ({ proxy, world, operator, metric }) => {
        const injected = rules.map((rule) => proxy.inject(rule));
        assert.ok(proxy.cutWatches() >= 2);
        await world.churn('busy');
        await world.editChild('calm', 'by hand');
        // All changes may be over before the first request after them.
        if (ends === 'with the changes') {
          await until('every fault is met', () => injected.every(({ hits }) => hits > 0));
          for (const rule of injected) rule.remove();
        }
        await world.create('later', 'value');
        await world.converged();
        await world.sameStores(operator);
        for (const [index, { hits }] of injected.entries())
          assert.ok(hits > 0, `fault ${index} was never met`);
        const lost = await metric(LOST, { cause: 'lost' });
        if (rules.some(({ fault }) => fault.kind === 'lose-events')) assert.ok(lost > 0);
        else assert.equal(lost, 0);
      });
    });

  it('is away for seconds: everything that happened is seen, and no child is written twice', async () => {
    await withScene(server, {}, async ({ proxy, world, operator, metric }) => {
      await proxy.goAway();
      await world.churn('busy');
      await until('trouble is reported', () => operator.sources.problem() !== undefined);
      await proxy.comeBack();
      await world.converged();
      await world.sameStores(operator);
      assert.equal(operator.sources.problem(), undefined);
      assert.equal(await metric('imageplane_applies_total', { outcome: 'needless' }), 0);
    });
  });

  it('has its watches cut again and again while everything changes: one write for each change, at most', async () => {
    await withScene(server, {}, async ({ proxy, world, operator, metric }) => {
      let cuts = 0;
      const cutting = setInterval(() => (cuts += proxy.cutWatches()), 100);
      for (let round = 0; round < 10; round += 1) await world.churn(`round-${round}`);
      clearInterval(cutting);
      await world.converged();
      await world.sameStores(operator);
      assert.ok(cuts > 5, `${cuts} cuts`);
      const lists = await metric('imageplane_reflector_lists_total');
      assert.equal(lists, 2, 'a cut watch goes on from where it was');
      assert.equal(await metric(LOST), 0);
    });
  });

  it('rests without one request but its watches once everything is right', async () => {
    await withScene(server, {}, async ({ proxy, world, operator }) => {
      await world.churn('busy');
      await world.converged();
      await world.sameStores(operator);
      const before = proxy.exchanges.length;
      await world.list('child');
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.deepEqual(proxy.exchanges.slice(before), []);
    });
  });

  it('puts back by one write what somebody changed or deleted by hand', async () => {
    await withScene(server, {}, async ({ proxy, world, operator }) => {
      for (const harm of [world.editChild, world.deleteChild]) {
        const before = proxy.exchanges.length;
        await harm('calm', 'by hand');
        await world.converged();
        await world.sameStores(operator);
        assert.equal(proxy.exchanges.slice(before).filter(({ kind }) => kind === 'write').length, 1);
      }
    });
  });

  it('begins a list anew whose continue token is too old, and does not take half for whole', async () => {
    const limits = { pageSize: 4, silenceMs: 400 };
    await withScene(server, { limits }, async ({ proxy, world, operator }) => {
      await world.churn('busy');
      await world.sameStores(operator);
      const deleted: string[] = [];
      operator.sources.onChange((change) => {
        if (change.type === 'deleted') deleted.push(change.object.metadata.name);
      });
      const tokens = proxy.inject({
        on: ({ kind, query }) => kind === 'list' && query.has('continue'),
        ...{ times: 3, fault: { kind: 'answer', status: 410, reason: 'Expired' } },
      });
      proxy.inject({ on: 'watch', times: 2, fault: { kind: 'answer', status: 410, reason: 'Expired' } });
      proxy.cutWatches();
      await until('it has met the old tokens', () => tokens.hits === 3);
      await world.create('late', 'value');
      await world.converged();
      await world.sameStores(operator);
      assert.deepEqual(deleted, []);
    });
  });

  it('sees an object that was deleted and made again in a gap as both', async () => {
    await withScene(server, {}, async ({ proxy, world, operator }) => {
      const seen: string[] = [];
      const old = operator.sources.get({ namespace: world.namespace, name: 'calm' })?.metadata.uid;
      operator.sources.onChange(({ type, object }) => {
        seen.push(`${type} ${object.metadata.uid === old ? 'old' : 'new'}`);
      });
      const expired = { kind: 'answer', status: 410, reason: 'Expired' } as const;
      proxy.inject({ on: 'watch', times: 2, fault: expired });
      await proxy.goAway();
      await world.remove('calm');
      await world.create('calm', 'anew');
      await proxy.comeBack();
      await world.converged();
      assert.deepEqual(seen, ['deleted old', 'added new']);
    });
  });

  it('outlives a handler that throws', async () => {
    await withScene(server, {}, async ({ world, operator }) => {
      operator.sources.onChange(() => {
        throw new Error('a fault in a handler');
      });
      await world.churn('busy');
      await world.converged();
      await world.sameStores(operator);
    });
  });

  it('leaves no request and no connection behind when it is stopped in the middle of a list', async () => {
    await withScene(server, { limits: { pageSize: 1 } }, async ({ proxy, world, operator }) => {
      await world.churn('busy');
      await world.converged();
      const slow = proxy.inject({ on: 'list', fault: { kind: 'delay', ms: 200 } });
      proxy.inject({ on: 'watch', fault: { kind: 'answer', status: 410, reason: 'Expired' } });
      proxy.cutWatches();
      await until('it is listing', () => slow.hits >= 3);
      await operator.manager.stop();
      await until('no connection is left', () => proxy.connections() === 0);
      const before = proxy.exchanges.length;
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.equal(proxy.exchanges.length, before);
    });
  });

  it('notices a child that lost its source in between, and leaves it to the garbage collector', async () => {
    await withScene(server, {}, async ({ world, operator }) => {
      await world.remove('calm');
      await world.sameStores(operator);
      const children = await world.list('child');
      assert.deepEqual(
        children.map(({ metadata }) => metadata.name),
        [childName('calm')],
      );
    });
  });
});
