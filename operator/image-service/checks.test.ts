import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { modelDigest } from '../../crds/model-digest.ts';
import { configOf, modelOf, serviceOf, tenantOf } from '../../test/support/operator-objects.ts';
import type { Tenant } from '../kinds.ts';
import { acknowledgementOf, refusalOf } from './checks.ts';
import type { GatheredService } from './gather.ts';

const gathered = (changes: Partial<GatheredService> = {}): GatheredService => ({
  service: serviceOf('tenant-demo', 'cutout'),
  tenant: tenantOf('demo'),
  missingWalls: [],
  model: modelOf(),
  knownModels: [],
  deployment: undefined,
  replicaSets: [],
  pods: [],
  owned: [],
  config: configOf(),
  ...changes,
});
const annotated = (annotations: Record<string, string>): Tenant => {
  const tenant = tenantOf('demo');
  return { ...tenant, metadata: { ...tenant.metadata, annotations } };
};
const { license } = modelOf().spec;
const termed = modelOf('tiny', {
  license: { ...license, commercialUse: false, acknowledgementRequired: true },
});
const accepted = { [acknowledgementOf(termed)]: modelDigest(termed.spec.files) };
const leaving = tenantOf('demo');
leaving.metadata.deletionTimestamp = '2026-11-24T12:00:00Z';

const cases: [
  what: string,
  changes: Partial<GatheredService>,
  reason: string,
  says: RegExp,
  pods: 'keep' | 'stop',
][] = [
  ["its namespace is no tenant's", { tenant: undefined }, 'TenantMissing', /make a Tenant/, 'keep'],
  ['its tenant is being deleted', { tenant: leaving }, 'TenantDeleting', /being deleted/, 'keep'],
  [
    'its tenant is paused',
    { tenant: annotated({ 'imageplane.dev/paused': 'true' }) },
    'TenantPaused',
    /annotation imageplane.dev\/paused/,
    'stop',
  ],
  [
    'it names a process of one machine',
    {
      service: serviceOf('tenant-demo', 'page', {
        engine: 'container',
        container: { localURL: 'http://127.0.0.1:7861' },
      }),
      model: undefined,
    },
    'LocalURLOnKubernetes',
    /container.image/,
    'stop',
  ],
  [
    'its model does not exist',
    { model: undefined, knownModels: ['tinny'] },
    'ModelMissing',
    /no ClusterImageModel tiny.*tinny/,
    'keep',
  ],
  [
    'its tenant may not use the model',
    { tenant: tenantOf('demo', { models: { allowed: ['other'] } }) },
    'ModelNotAllowed',
    /allowed are other/,
    'stop',
  ],
  [
    'its tenant may use no model',
    { tenant: tenantOf('demo', { models: { allowed: [] } }) },
    'ModelNotAllowed',
    /none is/,
    'stop',
  ],
  [
    "its task is not the model's",
    { service: serviceOf('tenant-demo', 'cutout', { task: 'inpainting' }) },
    'TaskMismatch',
    /task: background-removal/,
    'keep',
  ],
  [
    'no server runs such a model',
    { model: modelOf('tiny', { task: 'text-to-image' }) },
    'ModelNotSupported',
    /engine: container/,
    'keep',
  ],
  [
    'nobody accepted the terms',
    { model: termed },
    'LicenceNotAcknowledged',
    /kubectl annotate tenant demo licence.imageplane.dev\/tiny=a{64}/,
    'stop',
  ],
  [
    'the terms of other weights were accepted',
    { model: termed, tenant: annotated({ [acknowledgementOf(termed)]: 'b'.repeat(64) }) },
    'LicenceNotAcknowledged',
    /accepts them/,
    'stop',
  ],
  [
    'it asks for a priority of the cluster itself',
    {
      service: serviceOf('tenant-demo', 'cutout', {
        scheduling: { priorityClassName: 'system-node-critical' },
      }),
    },
    'PriorityNotAllowed',
    /for the cluster itself/,
    'keep',
  ],
  [
    'the walls of its namespace do not stand yet',
    { missingWalls: ['imageplane-default-deny'] },
    'TenantNotReady',
    /imageplane-default-deny/,
    'keep',
  ],
];

describe('A service may not run', () => {
  for (const [what, changes, reason, says, pods] of cases)
    it(`when ${what}: ${reason}`, () => {
      const refusal = refusalOf(gathered(changes));
      assert.equal(refusal?.reason, reason);
      assert.match(refusal.message, says);
      assert.equal(refusal.pods, pods);
    });
});

describe('A service may run', () => {
  it('with a model that its tenant may use and whose terms are accepted', () => {
    assert.equal(refusalOf(gathered()), undefined);
    assert.equal(refusalOf(gathered({ model: termed, tenant: annotated(accepted) })), undefined);
    const allowed = tenantOf('demo', { models: { allowed: ['tiny'] } });
    assert.equal(refusalOf(gathered({ tenant: allowed })), undefined);
  });

  it("with a model of the tenant's own, which no list concerns", () => {
    const service = serviceOf('tenant-demo', 'cutout', { modelRef: { kind: 'ImageModel', name: 'tiny' } });
    const tenant = tenantOf('demo', { models: { allowed: [] } });
    assert.equal(refusalOf(gathered({ service, tenant })), undefined);
  });
});
