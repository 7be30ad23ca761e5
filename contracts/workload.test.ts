import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { childName, serviceOfServiceAccount } from './workload.ts';

/** Names that the schema lets an ImageService have. */
const serviceName = fc.stringMatching(/^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$/);

describe('The name of a service on Kubernetes', () => {
  it('fits a label and a DNS name, and leads back to the service', () => {
    fc.assert(
      fc.property(serviceName, (name) => {
        const child = childName(name);
        assert.match(child, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
        assert.equal(serviceOfServiceAccount(child), name);
      }),
    );
  });

  it('is nobody of ours for any other ServiceAccount', () => {
    for (const name of ['default', 'imageplane-svc-', 'x-imageplane-svc-y', ''])
      assert.equal(serviceOfServiceAccount(name), undefined);
  });
});
