import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { carries, sameQuantity } from './applied.ts';

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'cutout',
    labels: { app: 'cutout' },
    ownerReferences: [{ apiVersion: 'x/v1', kind: 'X', name: 'x', uid: 'u1', controller: true }],
  },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'cutout' } },
    template: {
      metadata: { labels: { app: 'cutout' } },
      spec: {
        nodeSelector: { gpu: 'yes' },
        containers: [
          {
            name: 'server',
            image: 'server:1',
            args: ['--config', '/etc/config.json'],
            env: [
              { name: 'A', value: '1' },
              { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            ],
            ports: [{ name: 'http', containerPort: 7860 }],
            resources: { limits: { cpu: '1000m', memory: '1024Mi', 'nvidia.com/gpu': 1 } },
            volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
          },
        ],
        volumes: [
          { name: 'tmp', emptyDir: { sizeLimit: '1024Mi' } },
          {
            name: 'token',
            projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'usage' } }] },
          },
        ],
      },
    },
  },
};

interface Tree {
  [field: string]: Tree;
}

/** What a server makes of it: defaults, other writers' fields, quantities in their short form, another order. */
function asServed(): Tree {
  const live = structuredClone(deployment) as unknown as Tree;
  const set = (path: string, value: unknown): void => {
    const parts = path.split('.');
    const last = parts.pop() ?? '';
    const parent = parts.reduce<Tree>((node, part) => node[part] ?? {}, live);
    parent[last] = value as Tree;
  };
  set('metadata.uid', 'd1');
  set('metadata.annotations', { 'deployment.kubernetes.io/revision': '3' });
  set('metadata.labels.added-by', 'somebody');
  set('spec.strategy', { type: 'RollingUpdate' });
  set('spec.template.spec.restartPolicy', 'Always');
  set('spec.template.spec.containers.0.ports.0.protocol', 'TCP');
  set('spec.template.spec.containers.0.env.1.valueFrom.fieldRef.apiVersion', 'v1');
  set('spec.template.spec.containers.0.resources.limits', { cpu: '1', memory: '1Gi', 'nvidia.com/gpu': '1' });
  set('spec.template.spec.volumes.0.emptyDir.sizeLimit', '1Gi');
  set('spec.template.spec.volumes.1.projected.sources.0.serviceAccountToken.expirationSeconds', 3600);
  set('spec.template.spec.volumes.1.projected.defaultMode', 420);
  set('status', { replicas: 2 });
  (live['metadata']?.['ownerReferences'] as unknown as unknown[]).unshift({ kind: 'Y', uid: 'u0' });
  (live['spec']?.['template']?.['spec']?.['volumes'] as unknown as unknown[]).reverse();
  return live;
}

describe('what an object carries', () => {
  it('is what was applied, with what a server and other writers have added', () => {
    assert.equal(carries(asServed(), deployment), true);
  });

  it('is not that once any single value of it is changed or gone', () => {
    const leaves: (string | number)[][] = [];
    const visit = (node: unknown, path: (string | number)[]): void => {
      if (typeof node === 'object' && node !== null)
        for (const [key, value] of Object.entries(node)) visit(value, [...path, key]);
      else leaves.push(path);
    };
    visit(deployment, []);
    assert.ok(leaves.length > 30);
    for (const path of leaves)
      for (const change of ['changed', undefined]) {
        const live = structuredClone(deployment) as unknown as Tree;
        const parent = path.slice(0, -1).reduce<Tree>((node, part) => node[part] ?? {}, live);
        parent[path.at(-1) ?? ''] = change as unknown as Tree;
        assert.equal(carries(live, deployment), false, `${path.join('.')} = ${String(change)}`);
      }
  });

  it('counts additions where apply replaces the whole', () => {
    const policy = {
      kind: 'NetworkPolicy',
      spec: {
        podSelector: { matchLabels: { app: 'cutout' } },
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 7860 }] }],
        egress: [],
      },
    };
    const { egress, ...rest } = policy.spec;
    assert.deepEqual(egress, []);
    const live = {
      ...policy,
      spec: { ...rest, ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 7860, protocol: 'TCP' }] }] },
    };
    assert.equal(carries(live, policy), true, 'no empty list is kept');
    const changed = (change: object): object => ({ ...live, spec: { ...live.spec, ...change } });
    const wider = [
      { podSelector: {} },
      { podSelector: { matchLabels: { app: 'cutout', extra: 'yes' } } },
      { podSelector: { matchLabels: { app: 'cutout' }, matchExpressions: [] as unknown[] } },
      { ingress: [...live.spec.ingress, {}] },
      { ingress: [{ ports: [{ port: 7860, protocol: 'TCP' }] }] },
      {
        ingress: [
          { from: [{ podSelector: {}, namespaceSelector: {} }], ports: [{ port: 7860, protocol: 'TCP' }] },
        ],
      },
      { ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 7860, protocol: 'UDP' }] }] },
      { egress: [{}] },
    ];
    for (const change of wider) assert.equal(carries(changed(change), policy), false, JSON.stringify(change));
  });

  it('does not count additions where several writers share', () => {
    const wanted = { metadata: { finalizers: ['a'], labels: { x: '1' } }, data: { k: 'v' } };
    assert.equal(
      carries(
        { metadata: { finalizers: ['b', 'a'], labels: { x: '1', y: '2' } }, data: { k: 'v', l: 'w' } },
        wanted,
      ),
      true,
    );
    assert.equal(carries({ ...wanted, metadata: { ...wanted.metadata, finalizers: ['b'] } }, wanted), false);
  });

  it('knows the defaults of bindings', () => {
    const subjects = [
      { kind: 'Group', name: 'developers' },
      { kind: 'ServiceAccount', name: 'a', namespace: 'b' },
    ];
    const roleRef = { kind: 'ClusterRole', name: 'edit', apiGroup: 'rbac.authorization.k8s.io' };
    const served = [{ ...subjects[0], apiGroup: 'rbac.authorization.k8s.io' }, subjects[1]];
    assert.equal(carries({ subjects: served, roleRef }, { subjects, roleRef }), true);
    assert.equal(carries({ subjects: served.toReversed(), roleRef }, { subjects, roleRef }), false);
    assert.equal(carries({ subjects: [...served, subjects[0]], roleRef }, { subjects, roleRef }), false);
  });

  it('finds the stringData of a Secret in its data', () => {
    const wanted = { kind: 'Secret', stringData: { password: 'größer' } };
    const data = { password: Buffer.from('größer').toString('base64') };
    assert.equal(carries({ kind: 'Secret', data }, wanted), true);
    assert.equal(carries({ kind: 'Secret', data: { password: 'AAAA' } }, wanted), false);
  });

  it('takes any word for a key', () => {
    for (const key of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      const data = JSON.parse(`{${JSON.stringify(key)}: "v"}`) as unknown;
      assert.equal(carries({ data }, { data }), true, key);
      assert.equal(carries({ data: {} }, { data }), false, key);
      assert.equal(carries({ spec: { podSelector: data } }, { spec: { podSelector: {} } }), false, key);
      assert.equal(carries({ [key]: [] }, { [key]: ['x'] }), false, key);
    }
  });

  it('holds for any JSON and itself, and for no other value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (first, second) => {
        assert.equal(carries({ spec: first }, { spec: first }), true);
        if (typeof first !== 'object' && first !== second)
          assert.equal(carries({ spec: second }, { spec: first }), false);
      }),
    );
  });
});

describe('quantities', () => {
  it('are the same in every way to write them', () => {
    const same = [
      ['1', '1000m', 1, '1.0', '1e0', '1E0', '0.001k', '1000000000n'],
      ['1Gi', '1024Mi', '1048576Ki', '1073741824'],
      ['1k', '1e3', '1000', '+1000'],
      ['0', '0Gi', '-0'],
      ['-1500m', '-1.5'],
      ['0.5Gi', '512Mi'],
      ['9007199254740993', '9007199254740993000m'],
    ];
    for (const group of same)
      for (const a of group) for (const b of group) assert.ok(sameQuantity(a, b), `${a} and ${b}`);
  });

  it('differ by the smallest part, also beyond what a number holds', () => {
    const different: [unknown, unknown][] = [
      ['9007199254740993', '9007199254740992'],
      ['1', '1001m'],
      ['1G', '1Gi'],
      ['1M', '1m'],
      ['1', '-1'],
      ['', '0'],
      ['x', 'x'],
      [undefined, undefined],
    ];
    for (const [a, b] of different) assert.equal(sameQuantity(a, b), false, `${String(a)} and ${String(b)}`);
  });
});
