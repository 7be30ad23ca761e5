import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createRuntimeMetrics } from './metrics.ts';

/** Those that dashboards for controller-runtime and client-go ask for, with their labels. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  controller_runtime_reconcile_total: ['controller', 'result'],
  controller_runtime_reconcile_errors_total: ['controller'],
  controller_runtime_terminal_reconcile_errors_total: ['controller'],
  controller_runtime_reconcile_panics_total: ['controller'],
  controller_runtime_reconcile_timeouts_total: ['controller'],
  controller_runtime_reconcile_time_seconds_bucket: ['controller', 'le'],
  controller_runtime_active_workers: ['controller'],
  controller_runtime_max_concurrent_reconciles: ['controller'],
  workqueue_depth: ['controller', 'name', 'priority'],
  workqueue_adds_total: ['controller', 'name'],
  workqueue_retries_total: ['controller', 'name'],
  workqueue_queue_duration_seconds_bucket: ['controller', 'le', 'name'],
  workqueue_work_duration_seconds_bucket: ['controller', 'le', 'name'],
  workqueue_unfinished_work_seconds: ['controller', 'name'],
  workqueue_longest_running_processor_seconds: ['controller', 'name'],
  rest_client_requests_total: ['code', 'host', 'method'],
  rest_client_request_duration_seconds_bucket: ['host', 'le', 'verb'],
  leader_election_master_status: ['name'],
};

describe('metrics of an operator', () => {
  it('have the names and labels of controller-runtime and client-go', async () => {
    const registry = new Registry();
    const metrics = createRuntimeMetrics(registry);
    const queue = metrics.queue('tenant', () => [1.5, 0.5]);
    const controller = metrics.controller('tenant');
    queue.added();
    queue.retried();
    queue.taken(0.1);
    queue.worked(0.1);
    queue.depth('live', 3);
    controller.workers(4);
    controller.active(1);
    controller.reconciled('success', 0.1);
    metrics.answered('GET', 'api:443', 200, 0.1);
    metrics.leader('operator', true);
    const lines = (await registry.metrics()).split('\n');
    for (const [name, labels] of Object.entries(EXPECTED)) {
      const line = lines.find((each) => each.startsWith(`${name}{`));
      assert.ok(line !== undefined, `${name} is missing`);
      assert.deepEqual([...line.matchAll(/(\w+)="/g)].map((match) => match[1]).sort(), labels, name);
    }
    assert.ok(lines.includes('workqueue_unfinished_work_seconds{name="tenant",controller="tenant"} 2'));
    assert.ok(
      lines.includes('workqueue_longest_running_processor_seconds{name="tenant",controller="tenant"} 1.5'),
    );
  });

  it('begin at 0 for every kind of failure, so that the first one shows as a rise', async () => {
    const registry = new Registry();
    createRuntimeMetrics(registry).controller('tenant');
    const text = await registry.metrics();
    for (const name of [
      'reconcile_errors',
      'terminal_reconcile_errors',
      'reconcile_panics',
      'reconcile_timeouts',
    ])
      assert.ok(text.includes(`controller_runtime_${name}_total{controller="tenant"} 0`), name);
  });
});
