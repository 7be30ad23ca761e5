import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { inferenceServerConfig } from '../../inference-server/config.ts';
import { configOf, modelOf, serviceOf, tenantOf, unbounded } from '../../test/support/operator-objects.ts';
import type { Child } from '../children/child.ts';
import type { ConfigMap, Deployment, NetworkPolicy, PolicyPeer, Service } from '../kinds.ts';
import { namespaceOf } from '../tenant/names.ts';
import { serviceChildren } from './children.ts';
import type { Target } from './target.ts';

const name = fc.stringMatching(/^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$/);
const quantity = fc.constantFrom('1', '500m', '2Gi', '64Mi', '3');
const resourceMap = fc.dictionary(fc.constantFrom('cpu', 'memory', 'ephemeral-storage'), quantity);
const scheduling = fc.record(
  {
    nodeSelector: fc.dictionary(fc.constantFrom('zone', 'gpu'), fc.constantFrom('a', 'b')),
    tolerations: fc.array(fc.record({ operator: fc.constant('Exists' as const), key: fc.constant('gpu') })),
    priorityClassName: fc.constant('high'),
  },
  { requiredKeys: [] },
);
const gpu = fc.oneof(
  fc.record({ count: fc.integer({ min: 1, max: 16 }) }),
  fc.record({ count: fc.constant(1), profile: fc.constantFrom('1g.10gb', '3g.40gb') }),
);
const common = {
  replicas: fc.integer({ min: 0, max: 1000 }),
  gpu,
  resources: fc.record({ requests: resourceMap, limits: resourceMap }, { requiredKeys: [] }),
  scheduling,
};
const spec = fc.oneof(
  fc.record({ ...common, engine: fc.constant('onnx' as const) }, { requiredKeys: ['engine'] }),
  fc.record(
    {
      ...common,
      engine: fc.constant('container' as const),
      container: fc.record(
        {
          image: fc.constant('registry.example/team/page:1'),
          args: fc.array(fc.string()),
          env: fc.uniqueArray(
            fc.record({ name: fc.constantFrom('HOME', 'GRADIO_SERVER_NAME', 'MODEL'), value: fc.string() }),
            { selector: (variable) => variable.name },
          ),
        },
        { requiredKeys: ['image'] },
      ),
    },
    { requiredKeys: ['engine', 'container'] },
  ),
);
const config = fc
  .record({
    systemNamespace: fc.constantFrom('imageplane-system', 'platform'),
    dmzNamespace: fc.constantFrom('imageplane-dmz', 'edge'),
    metricsFrom: fc.constantFrom([], [{ namespaceSelector: { matchLabels: { purpose: 'monitoring' } } }]),
    sharedSecrets: fc.constantFrom([], [{ name: 'registry', use: 'registry' }]),
  })
  .map(configOf);
const tenant = fc
  .record({ name, egress: fc.subarray(['0.0.0.0/0', '10.0.0.0/8']), own: fc.boolean() })
  .map((given) =>
    tenantOf(given.name, {
      network: { egressCIDRs: given.egress },
      ...(given.own ? { namespace: `team-${given.name}` } : {}),
    }),
  );
const target: fc.Arbitrary<Target> = fc.record({ tenant, name, spec, config }).map((given) => {
  const service = serviceOf(namespaceOf(given.tenant), given.name, given.spec);
  const model = service.spec.engine === 'onnx' ? modelOf() : undefined;
  return { service, tenant: given.tenant, model, config: given.config };
});

interface Found {
  configMaps: ConfigMap;
  deployments: Deployment;
  networkPolicies: NetworkPolicy;
  services: Service;
}

function find<Kind extends keyof Found>(children: readonly Child[], kind: Kind): Found[Kind] {
  const child = children.find((candidate) => candidate.kind === kind);
  assert.ok(child, kind);
  return child.object as unknown as Found[Kind];
}

function podOf(children: readonly Child[]): NonNullable<Deployment['spec']['template']['spec']> {
  const { spec: pod } = find(children, 'deployments').spec.template;
  assert.ok(pod);
  return pod;
}

const VOLUMES = new Set(['name', 'emptyDir', 'configMap', 'projected', 'secret']);

/** The profile "restricted" of the Pod Security Standards, and a root file system that cannot be written. */
function assertRestricted(pod: ReturnType<typeof podOf>): void {
  assert.ok(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC);
  assert.equal(pod.automountServiceAccountToken, false);
  assert.equal(pod.securityContext?.runAsNonRoot, true);
  for (const volume of pod.volumes ?? [])
    assert.ok(
      Object.keys(volume).every((key) => VOLUMES.has(key)),
      volume.name,
    );
  for (const { securityContext, ports = [] } of [...(pod.initContainers ?? []), ...pod.containers]) {
    assert.deepEqual(securityContext, {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.ok(ports.every(({ hostPort }) => hostPort === undefined));
  }
}

function isDmz({ namespaceSelector, podSelector, ipBlock }: PolicyPeer, dmzNamespace: string): boolean {
  const labels = namespaceSelector?.matchLabels ?? {};
  return (
    ipBlock === undefined &&
    labels['imageplane.dev/zone'] === 'dmz' &&
    labels['kubernetes.io/metadata.name'] === dmzNamespace &&
    podSelector?.matchExpressions?.[0]?.key === 'app.kubernetes.io/name' &&
    podSelector.matchExpressions[0].operator === 'In'
  );
}

describe('Children of any ImageService', () => {
  it('are in the namespace of its tenant, controlled by it, and carry the tenant and the service', () => {
    fc.assert(
      fc.property(target, (given) => {
        for (const { object } of serviceChildren(given)) {
          const { namespace, labels, ownerReferences, name: child } = object.metadata;
          assert.equal(namespace, namespaceOf(given.tenant));
          assert.equal(labels?.['imageplane.dev/tenant'], given.tenant.metadata.name);
          assert.equal(labels['imageplane.dev/service'], given.service.metadata.name);
          assert.deepEqual(
            ownerReferences?.map(({ uid, controller }) => [uid, controller]),
            [[given.service.metadata.uid, true]],
          );
          assert.ok(child.length <= 63);
        }
      }),
    );
  });

  it('have restricted pods', () => {
    fc.assert(
      fc.property(target, (given) => {
        assertRestricted(podOf(serviceChildren(given)));
      }),
    );
  });

  it('let nobody but gateway and dispatcher of the DMZ reach 7860', () => {
    fc.assert(
      fc.property(target, (given) => {
        const { spec: policy } = find(serviceChildren(given), 'networkPolicies');
        assert.deepEqual([...policy.policyTypes].sort(), ['Egress', 'Ingress']);
        for (const { from, ports } of policy.ingress) {
          assert.ok(ports.length > 0 && from.length > 0);
          if (ports.some(({ port }) => port !== 9090))
            assert.ok(from.every((peer) => isDmz(peer, given.config.dmzNamespace)));
        }
        assert.ok(policy.egress.every(({ to }) => to.length > 0));
      }),
    );
  });

  it('select with policy, Service and Deployment the very pods that they make', () => {
    fc.assert(
      fc.property(target, (given) => {
        const children = serviceChildren(given);
        const { spec: of } = find(children, 'deployments');
        const labels = Object.entries(of.template.metadata?.labels ?? {});
        for (const selector of [
          of.selector.matchLabels,
          find(children, 'services').spec.selector,
          find(children, 'networkPolicies').spec.podSelector.matchLabels,
        ])
          for (const entry of Object.entries(selector ?? {}))
            assert.ok(labels.some(([key, value]) => key === entry[0] && value === entry[1]));
      }),
    );
  });

  it('name a request and a limit of whatever a quota may bound', () => {
    fc.assert(
      fc.property(target, (given) => {
        const [main] = podOf(serviceChildren(given)).containers;
        const { requests = {}, limits = {} } = main?.resources ?? {};
        for (const resource of ['cpu', 'memory', 'ephemeral-storage']) assert.ok(requests[resource]);
        for (const resource of ['memory', 'ephemeral-storage']) assert.ok(limits[resource]);
        const { gpu: wanted } = given.service.spec;
        if (wanted !== undefined) {
          const resource =
            wanted.profile === undefined ? 'nvidia.com/gpu' : `nvidia.com/mig-${wanted.profile}`;
          assert.equal(limits[resource], String(wanted.count));
          assert.equal(requests[resource], limits[resource]);
        }
      }),
    );
  });

  it('are the same for the same wishes, whatever a status or an annotation says', () => {
    fc.assert(
      fc.property(target, (given) => {
        const { service, tenant: owner } = given;
        const annotated = { ...service.metadata, annotations: { note: 'x' }, resourceVersion: '7' };
        const again = {
          ...given,
          service: { ...service, metadata: annotated, status: { replicas: 3 } },
          tenant: { ...owner, status: { namespace: 'x' } },
        };
        assert.deepEqual(serviceChildren(again), serviceChildren(given));
      }),
    );
  });
});

describe('Children of an ImageService', () => {
  const of = (given: Partial<Target> = {}): Child[] =>
    serviceChildren({
      service: serviceOf('tenant-demo', 'cutout'),
      tenant: tenantOf('demo'),
      model: modelOf(),
      config: configOf(),
      ...given,
    });
  const containerOf = (more: Partial<Target['service']['spec']> = {}): Child[] =>
    of({
      service: serviceOf('tenant-demo', 'page', {
        engine: 'container',
        container: { image: 'registry.example/page:1' },
        ...more,
      }),
      model: undefined,
    });

  it('configure the inference server as that one reads it, with files where the init container puts them', () => {
    const text = find(of(), 'configMaps').data?.['config.json'] ?? '';
    const parsed = inferenceServerConfig.parse(JSON.parse(text));
    assert.deepEqual(parsed.models[0]?.files, [
      { name: 'model.onnx', path: '/models/model.onnx', sha256: 'a'.repeat(64), size: 1000 },
    ]);
    assert.equal(parsed.assertion.mode, 'required');
    const pod = podOf(of());
    assert.deepEqual(pod.initContainers?.[0]?.args, [
      ...['inference-server/fetch-model.ts', '--config', '/etc/imageplane/config.json', '--store'],
      'http://imageplane-model-store.imageplane-system.svc:8080',
    ]);
  });

  it('start new pods when the configuration changes, and only then', () => {
    const digest = (given: Partial<Target>): string | undefined =>
      find(of(given), 'deployments').spec.template.metadata?.annotations?.['imageplane.dev/config-digest'];
    const smaller = { ...unbounded, megapixelsPerRequest: 10 };
    assert.notEqual(digest({ tenant: tenantOf('demo', { limits: smaller }) }), digest({}));
    assert.equal(digest({ tenant: tenantOf('demo', { plan: 'enterprise' }) }), digest({}));
  });

  it('take a GPU away before they ask for another, and never otherwise', () => {
    const strategy = (gpuCount: number | undefined): unknown =>
      find(containerOf(gpuCount === undefined ? {} : { gpu: { count: gpuCount } }), 'deployments').spec
        .strategy?.rollingUpdate;
    assert.deepEqual(strategy(1), { maxSurge: 0, maxUnavailable: 1 });
    assert.deepEqual(strategy(undefined), { maxSurge: 1, maxUnavailable: 0 });
  });

  it('leave replicas to whoever scales', () => {
    const replicas = (more: Partial<Target['service']['spec']>): number | undefined =>
      find(containerOf(more), 'deployments').spec.replicas;
    assert.equal(replicas({}), 1);
    assert.equal(replicas({ replicas: 0 }), 0);
    const autoscaling = { minReplicas: 1, maxReplicas: 4, targetInFlight: 4, scaleDownDelaySeconds: 300 };
    assert.equal(replicas({ autoscaling }), undefined);
  });

  it("give a tenant's container no token, no model store and no usage intake", () => {
    const children = containerOf();
    const pod = podOf(children);
    assert.deepEqual(pod.volumes, [{ name: 'tmp', emptyDir: {} }]);
    assert.equal(pod.initContainers, undefined);
    const { egress } = find(children, 'networkPolicies').spec;
    assert.equal(egress.length, 1, 'DNS alone');
    assert.ok(!children.some(({ kind }) => kind === 'configMaps'));
  });

  it('give a container its own variables as they stand, before any of ours', () => {
    const env = [
      { name: 'HOME', value: '/data' },
      { name: 'PRICE', value: '$(HOME) $5' },
    ];
    const children = containerOf({ container: { image: 'registry.example/page:1', env } });
    const given = Object.fromEntries(
      podOf(children).containers[0]?.env?.map(({ name: key, value }) => [key, value]) ?? [],
    );
    assert.equal(given['HOME'], '/data');
    assert.equal(given['PRICE'], '$$(HOME) $5', 'the kubelet makes $( of $$(');
    assert.equal(given['GRADIO_ROOT_PATH'], '/s/demo/page');
  });
});
