import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '../foundation/config.ts';
import { UsageError } from '../foundation/errors.ts';
import { inferenceServerConfig } from './config.ts';

const model = {
  name: 'isnet',
  family: 'isnet',
  task: 'background-removal',
  files: [{ name: 'model.onnx', path: '/models/isnet.onnx', sha256: 'a'.repeat(64), size: 1 }],
  pipeline: { size: { width: 1024, height: 1024 }, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
};
const config = {
  listen: { host: '127.0.0.1', port: 7860 },
  metrics: { host: '127.0.0.1', port: 7861 },
  tenant: 'acme',
  service: 'cutout',
  assertion: { mode: 'off' },
  models: [model],
  usage: { url: 'http://127.0.0.1:1/v1/usage-events', tokenFile: '/token', outbox: '/outbox' },
};

function refusalOf(change: object): string {
  try {
    parseConfig(inferenceServerConfig, { ...config, ...change }, 'server.json');
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.message;
  }
  throw new Error('it was accepted');
}

describe('the configuration', () => {
  it('fills in what is left out', () => {
    const parsed = parseConfig(inferenceServerConfig, config, 'server.json');
    assert.deepEqual(parsed.queue, { depth: 16, deadlineSeconds: 120 });
    assert.deepEqual(parsed.limits, { maxBodyBytes: 33_554_432, maxPixels: 50_000_000 });
    assert.equal(parsed.executionProvider, 'cpu');
    const [first] = parsed.models;
    assert.ok(first?.task === 'background-removal' && first.pipeline.activation === 'none');
    assert.equal(first.load, 'always');
    assert.equal(parsed.idleUnloadSeconds, 300);
    assert.equal(parsed.cache, undefined);
  });

  it('does without assertions on loopback only', () => {
    for (const host of ['127.0.0.1', '127.5.0.1', '::1', 'localhost'])
      assert.ok(parseConfig(inferenceServerConfig, { ...config, listen: { host, port: 1 } }, 'server.json'));
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org'])
      assert.match(refusalOf({ listen: { host, port: 1 } }), /loopback/);
  });

  it('has no default for where it listens, and knows no other fields', () => {
    assert.match(refusalOf({ listen: undefined }), /listen/);
    assert.match(refusalOf({ modles: [] }), /modles/);
  });

  it('takes one file a model, each name once, and deviations above zero', () => {
    assert.match(refusalOf({ models: [{ ...model, files: [] }] }), /exactly one ONNX file/);
    assert.match(refusalOf({ models: [model, model] }), /same name/);
    assert.match(
      refusalOf({ models: [{ ...model, pipeline: { ...model.pipeline, std: [1, 0, 1] } }] }),
      /above 0/,
    );
  });
});
