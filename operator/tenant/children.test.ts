import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configOf, serviceOf, tenantOf } from '../../test/support/operator-objects.ts';
import type { Child } from '../children/child.ts';
import type {
  ConfigMap,
  Deployment,
  Namespace,
  NetworkPolicy,
  ResourceQuota,
  Secret,
  Tenant,
} from '../kinds.ts';
import { tenantChildren } from './children.ts';
import { deletionStep } from './deletion.ts';
import type { GatheredTenant } from './gather.ts';
import { holdingOf, namespaceChild } from './namespace.ts';
import { namespaceOf } from './names.ts';
import { quotaInUse, resourceQuota } from './resource-quota.ts';
import { namespaceProblem, tenantVerdict } from './status.ts';

const config = configOf({ sharedSecrets: [{ name: 'registry', use: 'registry' }] });
const keys: ConfigMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'k' },
  data: { 'jwks.json': '{}' },
};
const secret = (text: string): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'registry', namespace: 'imageplane-system', uid: text },
  data: { token: Buffer.from(text).toString('base64') },
});
const namespaceWith = (name: string, labels: Record<string, string>, more: object = {}): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels, ...more },
});
const gathered = (tenant: Tenant, changes: Partial<GatheredTenant> = {}): GatheredTenant => ({
  tenant,
  namespace: undefined,
  rival: undefined,
  shared: [{ name: 'registry', use: 'registry', source: secret('a') }],
  assertionKeys: keys,
  quota: undefined,
  services: [],
  deployments: [],
  pods: [],
  owned: [],
  ...changes,
});
const own = (tenant: Tenant): Namespace =>
  namespaceWith(namespaceOf(tenant), {}, namespaceChild(tenant, 'none').object.metadata);

const group = fc.record({
  name: fc.string({ minLength: 1 }),
  role: fc.constantFrom('tenant-admin', 'developer', 'editor', 'tester', 'viewer', 'guest') as fc.Arbitrary<
    'developer' | 'viewer' | 'guest'
  >,
});
const tenants = fc
  .record({
    name: fc.stringMatching(/^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$/),
    namespace: fc.option(fc.constantFrom('team-a', 'x'), { nil: undefined }),
    groups: fc.uniqueArray(group, { selector: ({ name }) => name }),
    requests: fc.dictionary(
      fc.constantFrom('cpu', 'memory', 'nvidia.com/gpu', 'nvidia.com/mig-1g.10gb'),
      fc.constantFrom('1', 2),
    ),
  })
  .map(({ name, namespace, groups, requests }) =>
    tenantOf(name, { groups, quota: { requests }, ...(namespace === undefined ? {} : { namespace }) }),
  );

describe('Children of any Tenant', () => {
  it('are in its namespace, and controlled by it', () => {
    fc.assert(
      fc.property(tenants, (tenant) => {
        for (const { object } of tenantChildren(gathered(tenant), config)) {
          assert.equal(object.metadata.namespace, namespaceOf(tenant));
          assert.equal(object.metadata.ownerReferences?.[0]?.uid, tenant.metadata.uid);
        }
      }),
    );
  });

  it('let nothing in and nothing out of any pod', () => {
    fc.assert(
      fc.property(tenants, (tenant) => {
        const policies = tenantChildren(gathered(tenant), config).filter(
          ({ kind }) => kind === 'networkPolicies',
        );
        assert.deepEqual(
          policies.map(({ object }) => (object as unknown as NetworkPolicy).spec),
          [{ podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] }],
        );
      }),
    );
  });

  it('bind no role but the two of Imageplane, to no group of the cluster and to no guest', () => {
    fc.assert(
      fc.property(tenants, (tenant) => {
        const named = new Set(
          tenant.spec.groups?.filter(({ role }) => role !== 'guest').map(({ name }) => name),
        );
        for (const { kind, object } of tenantChildren(gathered(tenant), config)) {
          if (kind !== 'roleBindings') continue;
          const binding = object as unknown as { roleRef: { name: string }; subjects: { name: string }[] };
          assert.match(binding.roleRef.name, /^imageplane:(developer|viewer)$/);
          for (const { name } of binding.subjects) assert.ok(named.has(name) && !name.startsWith('system:'));
        }
      }),
    );
  });

  it('do not depend on the order of groups or of resources', () => {
    fc.assert(
      fc.property(tenants, (tenant) => {
        const groups = tenant.spec.groups?.toReversed() ?? [];
        const turned = { ...tenant, spec: { ...tenant.spec, groups } };
        assert.deepEqual(tenantChildren(gathered(turned), config), tenantChildren(gathered(tenant), config));
      }),
    );
  });

  it('bound every resource that the Tenant names, and every way out of the cluster', () => {
    fc.assert(
      fc.property(tenants, (tenant) => {
        const hard = resourceQuota(tenant, config).object.spec.hard ?? {};
        for (const [resource, quantity] of Object.entries(tenant.spec.quota?.requests ?? {}))
          assert.equal(hard[`requests.${resource}`], String(quantity));
        assert.equal(hard['services.nodeports'], '0');
        assert.equal(hard['services.loadbalancers'], '0');
      }),
    );
  });
});

describe('A shared Secret', () => {
  const copies = (source: Secret): Child[] =>
    tenantChildren(
      gathered(tenantOf('demo'), { shared: [{ name: 'registry', use: 'registry', source }] }),
      config,
    ).filter(({ kind }) => kind === 'secrets');

  it('is copied by what is in it, not by when it was written', () => {
    assert.deepEqual(
      copies({ ...secret('a'), metadata: { name: 'registry', resourceVersion: '9' } }),
      copies(secret('a')),
    );
    assert.notDeepEqual(copies(secret('b')), copies(secret('a')));
  });
});

describe('The namespace of a Tenant', () => {
  const tenant = tenantOf('demo');
  const label = { 'imageplane.dev/tenant': 'demo' };
  const cases: [string, Namespace | undefined, ReturnType<typeof holdingOf>][] = [
    ['does not exist', undefined, 'none'],
    ['is its own', own(tenant), 'own'],
    [
      'is its own, though somebody took the label away',
      { ...own(tenant), metadata: { ...own(tenant).metadata, labels: {} } },
      'own',
    ],
    ['is adopted by its label', namespaceWith('tenant-demo', label), 'adopted'],
    ["carries nobody's label", namespaceWith('tenant-demo', {}), 'refused'],
    [
      "carries another's label",
      namespaceWith('tenant-demo', { 'imageplane.dev/tenant': 'other' }),
      'refused',
    ],
    ['is leaving', namespaceWith('tenant-demo', label, { deletionTimestamp: 'x' }), 'leaving'],
  ];
  for (const [what, namespace, holding] of cases)
    it(`${what}: ${holding}`, () => {
      assert.equal(holdingOf(tenant, namespace), holding);
    });

  it('is never one of the platform, nor one that another Tenant had first', () => {
    const platform = tenantOf('demo', { namespace: 'imageplane-dmz' });
    assert.equal(namespaceProblem(gathered(platform), config)?.reason, 'NamespaceReserved');
    assert.equal(
      namespaceProblem(gathered(tenant, { rival: tenantOf('first') }), config)?.reason,
      'NamespaceTaken',
    );
    assert.equal(namespaceProblem(gathered(tenant), config), undefined);
  });

  it('takes no label of ours but what makes it safe, when it is adopted', () => {
    const { object } = namespaceChild(tenant, 'adopted');
    assert.equal(object.metadata.ownerReferences, undefined);
    assert.equal(object.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
  });
});

describe('What is said of a Tenant', () => {
  const tenant = tenantOf('demo');
  const verdict = (changes: Partial<GatheredTenant>): string =>
    tenantVerdict(gathered(tenant, changes), [], config).reason;

  it('names what is missing outside of it', () => {
    assert.equal(verdict({}), 'Provisioned');
    assert.equal(verdict({ assertionKeys: undefined }), 'AssertionKeysMissing');
    assert.equal(
      verdict({ shared: [{ name: 'registry', use: 'registry', source: undefined }] }),
      'SecretMissing',
    );
  });

  it('has the quota in use by the names that the Tenant has', () => {
    const quota = {
      spec: {},
      status: { used: { 'requests.cpu': '2', pods: '3' } },
    } as unknown as ResourceQuota;
    assert.deepEqual(
      quotaInUse(tenantOf('demo', { quota: { requests: { cpu: 4, memory: '1Gi' } } }), quota),
      { cpu: '2' },
    );
  });
});

describe('Deletion of a Tenant', () => {
  const tenant = tenantOf('demo');
  const service = serviceOf('tenant-demo', 'cutout');
  const labelled = { metadata: { name: 'd', labels: { 'imageplane.dev/tenant': 'demo' } } };
  const owned: Child[] = [
    { kind: 'networkPolicies', object: { apiVersion: 'v1', kind: 'X', metadata: { name: 'n' } } },
  ];
  const step = (changes: Partial<GatheredTenant>): [string[], boolean] => {
    const { remove, waitsFor } = deletionStep(gathered(tenant, { owned, ...changes }));
    return [remove.map(({ kind }) => kind), waitsFor !== undefined];
  };
  const adopted = namespaceWith('tenant-demo', { 'imageplane.dev/tenant': 'demo' });

  it('removes services first, and nothing else while one or a pod of one is there', () => {
    assert.deepEqual(step({ namespace: own(tenant), services: [service] }), [['imageServices'], true]);
    const leaving = { ...service, metadata: { ...service.metadata, deletionTimestamp: 'x' } };
    assert.deepEqual(step({ namespace: own(tenant), services: [leaving] }), [[], true]);
    const deployments = [labelled as unknown as Deployment];
    assert.deepEqual(step({ namespace: own(tenant), deployments }), [[], true]);
    assert.deepEqual(step({ namespace: adopted, deployments }), [[], true]);
  });

  it('then removes the namespace that is its own, and waits for it', () => {
    assert.deepEqual(step({ namespace: own(tenant) }), [['namespaces'], true]);
    assert.deepEqual(step({}), [[], false]);
  });

  it('keeps an adopted namespace, and removes what is ours in it', () => {
    assert.deepEqual(step({ namespace: adopted }), [['networkPolicies'], true]);
    assert.deepEqual(step({ namespace: adopted, owned: [] }), [[], false]);
  });

  it("touches nothing in a namespace that is not the tenant's", () => {
    assert.deepEqual(step({ namespace: namespaceWith('tenant-demo', {}), services: [service] }), [[], false]);
  });
});
