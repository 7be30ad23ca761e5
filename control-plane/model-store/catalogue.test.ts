import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterImageModel, ImageModel } from '../../crds/generated.ts';
import { catalogueOf } from './catalogue.ts';

const DIGEST = 'a'.repeat(64);
const modelOf = (source: string, sha256 = DIGEST, size = 5) =>
  ({ spec: { files: [{ name: 'model.onnx', source, sha256, size }] } }) as unknown as ClusterImageModel &
    ImageModel;
const fetchable = (models: Parameters<typeof catalogueOf>[0], files?: string): (boolean | string)[] =>
  (catalogueOf(models, files).get(DIGEST) ?? []).flatMap((file) => [file.source, file.fetchable]);

describe('which blobs the model store knows', () => {
  it('are those that some model lists, from the platform’s sources first', () => {
    const models = {
      cluster: [modelOf('https://platform.example/x')],
      tenants: [modelOf('npm:a@1.0.0/x'), modelOf('https://platform.example/x')],
    };
    assert.deepEqual(fetchable(models), ['https://platform.example/x', true, 'npm:a@1.0.0/x', true]);
    assert.equal(catalogueOf({ cluster: [], tenants: [] }, undefined).size, 0);
  });

  it('come from files only for a ClusterImageModel, and only below the folder of files', () => {
    const cluster = (source: string) => ({ cluster: [modelOf(source)], tenants: [] });
    assert.deepEqual(fetchable(cluster('file:x.onnx'), '/models'), ['file:x.onnx', true]);
    assert.deepEqual(fetchable(cluster('file:///models/a/x.onnx'), '/models'), [
      'file:///models/a/x.onnx',
      true,
    ]);
    for (const source of ['file:///etc/passwd', 'file:/models', 'file:///models/../etc/passwd', 'file:../x'])
      assert.deepEqual(fetchable(cluster(source), '/models'), [source, false]);
    assert.deepEqual(fetchable(cluster('file:x.onnx')), ['file:x.onnx', false]);
    const tenants = [modelOf('file:x.onnx')];
    assert.deepEqual(fetchable({ cluster: [], tenants }, '/models'), ['file:x.onnx', false]);
  });
});
