import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiVersionOf, keyFrom, keyText, pathOf, resources } from './resources.ts';

describe('paths of the API', () => {
  it('are those of the group, version, namespace, kind, name and subresource', () => {
    const { Pod, Tenant, Deployment, Node } = resources;
    assert.equal(pathOf(Pod), '/api/v1/pods');
    assert.equal(pathOf(Pod, { namespace: 'a' }), '/api/v1/namespaces/a/pods');
    assert.equal(pathOf(Node, { name: 'n' }), '/api/v1/nodes/n');
    assert.equal(
      pathOf(Tenant, { name: 'acme' }, 'status'),
      '/apis/imageplane.dev/v1alpha1/tenants/acme/status',
    );
    assert.equal(
      pathOf(Deployment, { namespace: 'a', name: 'd' }),
      '/apis/apps/v1/namespaces/a/deployments/d',
    );
    assert.equal(apiVersionOf(Pod), 'v1');
    assert.equal(apiVersionOf(Tenant), 'imageplane.dev/v1alpha1');
  });

  it('never lead out of the collection, whatever the name', () => {
    const { ConfigMap } = resources;
    for (const name of ['', '.', '..'])
      assert.throws(() => pathOf(ConfigMap, { namespace: 'a', name }), RangeError);
    assert.equal(
      pathOf(ConfigMap, { namespace: 'a', name: '../secrets/x?y#z' }),
      '/api/v1/namespaces/a/configmaps/..%2Fsecrets%2Fx%3Fy%23z',
    );
    assert.throws(() => pathOf(ConfigMap, { name: 'x' }), /namespace/);
  });
});

describe('keys as text', () => {
  it('are read back as they were', () => {
    for (const key of [{ name: 'a' }, { namespace: 'n', name: 'a' }])
      assert.deepEqual(keyFrom(keyText(key)), key);
  });
});
