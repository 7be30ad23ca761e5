import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type TestCluster,
  connectScript,
  foreignKubeconfig,
  isRefused,
  namespaceObject,
  openTestCluster,
  scriptPod,
  serviceObject,
} from './testing.ts';

const LIMIT_MS = 60_000;
const TENANT = 'policy-tenant';
const CLIENTS = ['policy-dmz', 'policy-other', TENANT, 'policy-plain'];
const IDLE = 'setInterval(() => {}, 1000)';
const SERVE = `
const { createServer } = await import('node:http');
createServer((request, response) => response.end('served')).listen(7860);
`;

type Reached = Record<'pod' | 'service' | 'name', string>;

/** Everything is refused but what comes from namespaces labelled as the DMZ, to one port. */
const policies = [
  { name: 'default-deny', spec: { podSelector: {}, policyTypes: ['Ingress'] } },
  {
    name: 'from-the-dmz',
    spec: {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [{ namespaceSelector: { matchLabels: { zone: 'policy-dmz' } } }],
          ports: [{ protocol: 'TCP', port: 7860 }],
        },
      ],
    },
  },
].map(({ name, spec }) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: TENANT },
  spec,
}));

/** Names of the cluster may be asked for, and nothing else leaves the namespace. */
const namesOnly = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'names-only', namespace: 'policy-plain' },
  spec: {
    podSelector: {},
    policyTypes: ['Egress'],
    egress: [
      {
        to: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
            podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
          },
        ],
        ports: [
          { protocol: 'UDP', port: 53 },
          { protocol: 'TCP', port: 53 },
        ],
      },
    ],
  },
};

const THROUGH: Reached = { pod: 'through', service: 'through', name: 'through' };

describe('Network policies of the cluster', () => {
  let cluster: TestCluster;
  let script: string;

  const reach = async (namespace: string): Promise<Reached> =>
    JSON.parse(await cluster.runIn(namespace, 'client', script)) as Reached;

  /** Waits until the client sees what is expected: rules take a moment to be written. */
  const expectReached = async (namespace: string, expected: (reached: Reached) => boolean): Promise<void> => {
    const deadline = performance.now() + LIMIT_MS;
    let reached: Reached | undefined;
    while (performance.now() < deadline) {
      reached = await reach(namespace);
      if (expected(reached)) return;
      await sleep(250);
    }
    assert.fail(`From ${namespace} it is still so: ${JSON.stringify(reached)}`);
  };
  const isThrough = (reached: Reached): boolean =>
    Object.values(reached).every((result) => result === 'through');
  const areRefused = (reached: Reached): boolean => Object.values(reached).every(isRefused);

  const removeNamespaces = async (): Promise<void> => {
    await cluster.attempt(['delete', 'namespace', '--ignore-not-found', '--wait=false', ...new Set(CLIENTS)]);
  };

  before(async () => {
    cluster = await openTestCluster('test-policy', { images: ['inference-server'] });
    const namespaces = CLIENTS.map((name) => namespaceObject(name, { zone: name }));
    const clients = CLIENTS.map((namespace) => scriptPod(namespace, 'client', IDLE));
    const server = [scriptPod(TENANT, 'server', SERVE), serviceObject(TENANT, 'server', { http: 7860 })];
    await cluster.apply([...namespaces, ...server, ...clients]);
    for (const namespace of CLIENTS) {
      await cluster.kubectl([
        ...['wait', '--for=condition=Ready', '--timeout=120s', '--namespace', namespace, 'pod', '--all'],
      ]);
    }
    const address = (kind: string, path: string): Promise<string> =>
      cluster.kubectl(['get', kind, 'server', '--namespace', TENANT, '--output', `jsonpath={${path}}`]);
    script = connectScript({
      pod: [await address('pod', '.status.podIP'), 7860],
      service: [await address('service', '.spec.clusterIP'), 7860],
      name: [`server.${TENANT}.svc`, 7860],
    });
  });
  after(async () => {
    if (foreignKubeconfig !== undefined) await removeNamespaces();
    await cluster.close();
  });

  it('let everyone through while there is none, by pod address, Service address and name', async () => {
    for (const namespace of CLIENTS) await expectReached(namespace, isThrough);
  });

  it('let only the allowed namespace through, not even the tenant’s own', async () => {
    await cluster.apply(policies);
    for (const namespace of CLIENTS.filter((name) => name !== 'policy-dmz')) {
      await expectReached(namespace, areRefused);
    }
    assert.deepEqual(await reach('policy-dmz'), THROUGH);
    // Not only at the moment of the change.
    for (const namespace of CLIENTS.filter((name) => name !== 'policy-dmz')) {
      assert.ok(areRefused(await reach(namespace)), `${namespace} is refused a second time`);
    }
  });

  it('let the same pods through again once they are removed, so that the refusal was theirs', async () => {
    await cluster.kubectl(['delete', 'networkpolicy', '--all', '--namespace', TENANT]);
    for (const namespace of CLIENTS) await expectReached(namespace, isThrough);
  });

  it('can allow names alone by the label of the DNS pods', async () => {
    await cluster.apply([namesOnly]);
    await expectReached('policy-plain', areRefused);
    const resolve = `
const { lookup } = await import('node:dns/promises');
console.log((await lookup('server.${TENANT}.svc')).address);
`;
    assert.match(await cluster.runIn('policy-plain', 'client', resolve), /^10\.|^\d+\.\d+/);
    await cluster.kubectl(['delete', 'networkpolicy', 'names-only', '--namespace', 'policy-plain']);
    await expectReached('policy-plain', isThrough);
  });
});
