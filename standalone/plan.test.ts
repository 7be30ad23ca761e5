import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCrds } from '../crds/crd.ts';
import { loadObjects, type Objects, parseObjects } from '../crds/load.ts';
import { createValidator } from '../crds/validation.ts';
import { licenceLines, planOf } from './plan.ts';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const shipped = (): Promise<Objects> => loadObjects([join(checkout, 'examples'), join(checkout, 'models')]);

const TENANT = `
apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: { name: demo }
spec: { plan: free }
---
`;
const service = (name: string, spec: string): string => `
apiVersion: imageplane.dev/v1alpha1
kind: ImageService
metadata: { name: ${name}, namespace: tenant-demo }
spec: ${spec}
---
`;
const model = (name: string, task: string, commercial = true): string => `
apiVersion: imageplane.dev/v1alpha1
kind: ClusterImageModel
metadata: { name: ${name} }
spec:
  task: ${task}
  family: isnet
  files:
    - { name: model.onnx, source: 'https://models.example/x', sha256: ${'a'.repeat(64)}, size: 5 }
  license: { spdx: MIT, commercialUse: ${commercial}, acknowledgementRequired: ${!commercial}, source: somebody }
  precision: fp32
${task === 'background-removal' ? '  pipeline: { size: { width: 320, height: 320 }, mean: [0, 0, 0], std: [1, 1, 1] }' : ''}
---
`;
const planned = async (...texts: string[]) =>
  planOf(
    parseObjects([{ file: 'x.yaml', text: [TENANT, ...texts].join('') }], createValidator(await readCrds())),
  );

describe('the plan of what to run', () => {
  it('runs the shipped example with its model, and nothing that no service needs', async () => {
    const plan = planOf(await shipped());
    assert.deepEqual(
      plan.inference.map(({ id, processName }) => ({ id, processName })),
      [{ id: 'demo/cutout', processName: 'inference.demo.cutout' }],
    );
    assert.deepEqual(
      plan.models.map(({ name }) => name),
      ['isnet-general-fp16'],
    );
    assert.deepEqual(plan.notices, []);
  });

  it('hands on the limits of service and tenant in the units of the inference server', async () => {
    const [one] = planOf(await shipped()).inference;
    assert.ok(one);
    assert.equal(one.settings.limits.maxBodyBytes % 1_048_576, 0);
    assert.equal(one.settings.limits.maxPixels % 1_000_000, 0);
    assert.equal(one.settings.executionProvider, 'cpu');
  });

  it('fetches a model of two services once', async () => {
    const ref = '{ engine: onnx, modelRef: { kind: ClusterImageModel, name: m } }';
    const plan = await planned(model('m', 'background-removal'), service('a', ref), service('b', ref));
    assert.equal(plan.models.length, 1);
    assert.ok(plan.inference.every((one) => one.model === plan.models[0]));
    assert.equal(plan.inference.length, 2);
  });

  it('sends a container with a local URL to that URL', async () => {
    const plan = await planned(
      service('page', `{ engine: container, container: { localURL: 'http://127.0.0.1:7861' } }`),
    );
    assert.deepEqual(plan.external, { 'demo/page': 'http://127.0.0.1:7861' });
  });

  it('starts a graph that is called with tensors', async () => {
    const plan = await planned(
      model('t', 'tensor-inference'),
      service('tensor', '{ engine: onnx, modelRef: { kind: ClusterImageModel, name: t } }'),
    );
    assert.deepEqual([plan.inference.map(({ id }) => id), plan.notices], [['demo/tensor'], []]);
  });

  it('says why a service is not started', async () => {
    const plan = await planned(
      model('t', 'text-to-image'),
      service('image', `{ engine: container, container: { image: 'registry.example/x:1' } }`),
      service('tensor', '{ engine: onnx, modelRef: { kind: ClusterImageModel, name: t } }'),
      service('paused', '{ engine: onnx, replicas: 0, modelRef: { kind: ClusterImageModel, name: t } }'),
    );
    assert.equal(plan.inference.length, 0);
    assert.equal(plan.models.length, 0);
    assert.match(plan.notices.join('\n'), /demo\/image is a container.*localURL/);
    assert.match(plan.notices.join('\n'), /demo\/tensor is not started.*text-to-image/);
    assert.match(plan.notices.join('\n'), /demo\/paused has replicas: 0/);
  });

  it('neither fetches nor starts a model whose terms nobody has accepted', async () => {
    const ref = '{ engine: onnx, modelRef: { kind: ClusterImageModel, name: m } }';
    const plan = await planned(model('m', 'background-removal', false), service('a', ref));
    assert.deepEqual([plan.models, plan.inference], [[], []]);
    assert.match(plan.notices.join(), /the terms of m must be accepted/);
  });

  it('shows a licence with its source and notice, and one that forbids commercial use as such', async () => {
    const [found] = planOf(await shipped()).models;
    assert.ok(found);
    assert.match(licenceLines(found).join('\n'), /licence MIT\. [^]*AGPL-3\.0/);
    const license = { ...found.spec.license, commercialUse: false };
    assert.match(
      licenceLines({ ...found, spec: { ...found.spec, license } }).join(),
      /NOT for commercial use/,
    );
  });
});
