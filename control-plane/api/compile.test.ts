import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { readCrds } from '../../crds/crd.ts';
import { type Objects, parseObjects } from '../../crds/load.ts';
import { createValidator, type Validate } from '../../crds/validation.ts';
import { compilePolicies, modelsOf } from './compile.ts';

let validate: Validate;
before(async () => {
  validate = createValidator(await readCrds());
});

const object = (kind: string, name: string, spec: object, namespace?: string): object => ({
  apiVersion: 'imageplane.dev/v1alpha1',
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  spec,
});
const model = (kind: string, name: string, namespace?: string): object =>
  object(
    kind,
    name,
    {
      ...{ task: 'tensor-inference', family: 'test', precision: 'fp32' },
      files: [
        {
          ...{ name: 'model.onnx', source: 'https://models.example/m', size: 5 },
          sha256: (namespace === undefined ? 'a' : 'b').repeat(64),
        },
      ],
      license: { spdx: 'MIT', commercialUse: true, source: 'a test' },
    },
    namespace,
  );
/** JSON is YAML. */
const load = (...objects: object[]): Objects =>
  parseObjects(
    objects.map((one, index) => ({ file: `${index}.yaml`, text: JSON.stringify(one) })),
    validate,
  );

const HOURS = [{ days: ['Mon' as const], from: '08:00', to: '20:00', timeZone: 'Asia/Shanghai' }];
const service = (name: string, spec: object = {}): object =>
  object(
    'ImageService',
    name,
    {
      ...{
        engine: 'onnx',
        task: 'tensor-inference',
        modelRef: { kind: 'ClusterImageModel', name: 'shared' },
      },
      ...spec,
    },
    'tenant-acme',
  );
const tenant = (access: object, more: object = {}): object =>
  object('Tenant', 'acme', { displayName: 'Acme', access, ...more });

describe('what gateways get of declared objects', () => {
  it('has every condition of the tenant, and closes no service for one', () => {
    const objects = load(
      tenant({
        ...{ allowedCIDRs: ['10.0.0.0/8'], unlimitedCIDRs: ['10.1.0.0/16'], intranetCIDRs: ['10.2.0.0/16'] },
        ...{ timeWindows: HOURS, secondFactor: 'Always', basic: true, maxKeyAgeDays: 90 },
        risk: { action: 'SecondFactor', timeZone: 'Asia/Shanghai' },
      }),
      model('ClusterImageModel', 'shared'),
      service('cutout'),
    );
    const { tenants, services } = compilePolicies(objects, { 'acme/cutout': ['http://127.0.0.1:1'] });
    assert.deepEqual(tenants['acme']?.access, {
      ...{ allowedCidrs: ['10.0.0.0/8'], unlimitedCidrs: ['10.1.0.0/16'], intranetCidrs: ['10.2.0.0/16'] },
      ...{ timeWindows: HOURS, secondFactor: 'Always', basic: true, maxKeyAgeDays: 90 },
      risk: { action: 'SecondFactor', timeZone: 'Asia/Shanghai' },
    });
    assert.equal(services['acme/cutout']?.unavailable, undefined);
    assert.equal(services['acme/cutout']?.model, 'shared');
    assert.ok(compilePolicies(objects, {}).services['acme/cutout']?.unavailable);
  });

  it('has every limit of tenant and service', () => {
    const limits = {
      ...{ requestsPerMinute: 1, requestsPerDay: 2, requestsPerMonth: 3, concurrency: 4 },
      ...{ megapixelsPerRequest: 5, megapixelsPerDay: 6, megapixelsPerMonth: 7, stepsPerDay: 8 },
      ...{ stepsPerMonth: 9, computeSecondsPerDay: 10, computeSecondsPerMonth: 11 },
      perUser: { requestsPerMinute: 12, concurrency: 13, megapixelsInFlight: 14, stepsInFlight: 15 },
    };
    const { tenants, services } = compilePolicies(
      load(
        tenant({}, { limits }),
        model('ClusterImageModel', 'shared'),
        service('cutout', { limits: { requestsPerMinute: 16, concurrency: 17 } }),
      ),
      {},
    );
    assert.deepEqual(tenants['acme']?.limits, limits);
    assert.deepEqual(services['acme/cutout']?.limits, { requestsPerMinute: 16, concurrency: 17 });
  });

  it('has the conditions of a service beside its address sets, and none where it has none', () => {
    const { services } = compilePolicies(
      load(
        tenant({ intranetCIDRs: ['192.168.0.0/16'] }),
        model('ClusterImageModel', 'shared'),
        service('open'),
        service('closed', {
          access: {
            ...{ allowedCIDRs: ['10.0.0.0/8'], intranetOnly: true, minimumRole: 'editor' },
            ...{ timeWindows: HOURS, secondFactor: true, maxKeyAgeDays: 7 },
          },
        }),
      ),
      {},
    );
    assert.deepEqual(services['acme/open']?.access, { addressSets: [] });
    assert.deepEqual(services['acme/closed']?.access, {
      minimumRole: 'editor',
      addressSets: [['10.0.0.0/8'], ['192.168.0.0/16']],
      conditions: { timeWindows: HOURS, secondFactor: true, maxKeyAgeDays: 7 },
    });
  });

  it('knows the models of each tenant: the allowed ones of the platform, its own before them', () => {
    const objects = load(
      tenant({}, { models: { allowed: ['shared'] } }),
      object('Tenant', 'burp', { displayName: 'Burp' }),
      model('ClusterImageModel', 'shared'),
      model('ClusterImageModel', 'other'),
      model('ImageModel', 'shared', 'tenant-acme'),
    );
    const models = modelsOf(objects);
    assert.deepEqual([...(models.get('acme')?.keys() ?? [])], ['shared']);
    assert.equal(models.get('acme')?.get('shared')?.kind, 'ImageModel');
    assert.deepEqual([...(models.get('burp')?.keys() ?? [])], ['shared', 'other']);
    assert.equal(models.get('burp')?.get('shared')?.kind, 'ClusterImageModel');
  });
});
