import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubernetesObject } from '../runtime/types.ts';
import type { Child } from './child.ts';
import { withoutForeign } from './foreign.ts';

const metadata = { name: 'x', namespace: 'n' };
const quota = (hard: Record<string, string>): KubernetesObject & { spec: object } => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata,
  spec: { hard },
});
const deployment = (template: object, more: object = {}): KubernetesObject & { spec: object } => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata,
  spec: { template: { spec: template }, ...more },
});
const child = (kind: Child['kind'], object: KubernetesObject): Child => ({ kind, object });

describe('What somebody added to a child', () => {
  it('is found and taken away where the server adds nothing itself', () => {
    const live = quota({ pods: '1', 'requests.cpu': '8' });
    const cleaned = withoutForeign(child('resourceQuotas', quota({ pods: '5' })), live);
    assert.deepEqual(cleaned, quota({ pods: '1' }), 'a changed value is left to applying');
  });

  it('is nothing while every key is wanted, whatever it holds', () => {
    assert.equal(
      withoutForeign(child('resourceQuotas', quota({ pods: '5' })), quota({ pods: '1' })),
      undefined,
    );
  });

  it('is a second container, and not what the server fills in', () => {
    const wanted = deployment({ containers: [{ name: 'service', image: 'a' }] });
    const own = { name: 'service', image: 'b', terminationMessagePath: '/dev/termination-log' };
    const live = deployment(
      { containers: [own, { name: 'spy' }], dnsPolicy: 'ClusterFirst' },
      { paused: false },
    );
    assert.deepEqual(
      withoutForeign(child('deployments', wanted), live),
      deployment({ containers: [own], dnsPolicy: 'ClusterFirst' }, { paused: false }),
    );
    assert.equal(withoutForeign(child('deployments', wanted), deployment({ containers: [own] })), undefined);
  });

  it('is a key of a selector, also where the server adds other fields', () => {
    const service = (selector: object, more: object = {}): KubernetesObject & { spec: object } => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector, ...more },
    });
    const cleaned = withoutForeign(
      child('services', service({ a: 'b' })),
      service({ a: 'b', c: 'd' }, { clusterIP: '10.0.0.1' }),
    );
    assert.deepEqual(cleaned, service({ a: 'b' }, { clusterIP: '10.0.0.1' }));
  });

  it('never is metadata, which has owners of its own', () => {
    const labelled = { ...quota({ pods: '1' }), metadata: { ...metadata, labels: { team: 'x' } } };
    assert.equal(withoutForeign(child('resourceQuotas', quota({ pods: '1' })), labelled), undefined);
  });
});
