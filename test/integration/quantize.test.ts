import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { parse, stringify } from 'yaml';
import { loadObjects } from '../../crds/load.ts';
import { decode } from '../../inference-server/imaging/decode.ts';
import { toInput } from '../../inference-server/pipelines/background-removal.ts';
import { tinyGraph } from '../support/onnx.ts';
import { sha256 } from '../support/pixels.ts';

const SIZE = 64;
const PIPELINE = {
  size: { width: SIZE, height: SIZE },
  mean: [0.5, 0.5, 0.5],
  std: [1, 1, 1],
  activation: 'none',
} as const;
const PHOTO = 'examples/photos/astronaut.jpg';
let folder: string;

async function quantize(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['models/tool/quantize.ts', ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: out + err });
    });
  });
}

async function maskOf(model: string): Promise<Float32Array> {
  const session = await InferenceSession.create(model);
  const picture = await decode(await readFile(PHOTO), 'as-stored', 1_000_000);
  const feed = new Tensor('float32', toInput(picture, PIPELINE), [1, 3, SIZE, SIZE]);
  const results = await session.run({ [session.inputNames[0] ?? '']: feed });
  const data = results[session.outputNames[0] ?? '']?.data;
  assert.ok(data instanceof Float32Array);
  return data;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-quantize-'));
  await writeFile(join(folder, 'model.onnx'), tinyGraph({ width: SIZE, height: SIZE, work: 2 }));
  const manifest = parse(await readFile('models/isnet-medium.yaml', 'utf8')) as {
    spec: Record<string, unknown>;
  };
  manifest.spec['pipeline'] = PIPELINE;
  await writeFile(join(folder, 'model.yaml'), stringify(manifest));
});

after(async () => {
  await rm(folder, { recursive: true });
});

describe('npm run quantize', () => {
  it('makes an 8-bit graph whose mask is nearly the same, and a manifest that can be loaded', async () => {
    const output = join(folder, 'small.onnx');
    const model = join(folder, 'model.onnx');
    const { code, output: said } = await quantize(
      ...[model, '--manifest', join(folder, 'model.yaml'), '--photos', PHOTO, '--output', output],
    );
    assert.equal(code, 0, said);
    const [exact, quantized] = await Promise.all([maskOf(model), maskOf(output)]);
    const range = Math.max(...exact) - Math.min(...exact);
    const error = exact.reduce((sum, value, i) => sum + Math.abs(value - (quantized[i] as number)), 0);
    assert.ok(error / exact.length < range / 50, `${error / exact.length} of ${range}`);
    assert.match((await readFile(output)).toString('latin1'), /QuantizeLinear/);

    const { clusterImageModels } = await loadObjects([join(folder, 'small.yaml')]);
    const [made] = clusterImageModels;
    assert.equal(made?.metadata.name, 'isnet-general-fp16-qdq');
    assert.equal(made.spec.files[0]?.sha256, sha256(await readFile(output)));

    // What it made, it does not take again.
    const again = await quantize(output, '--manifest', join(folder, 'model.yaml'), '--photos', PHOTO);
    assert.equal(again.code, 1);
    assert.match(again.output, /quantised already/);
  });

  it('says how it is called when something is missing', async () => {
    for (const args of [
      [],
      [join(folder, 'model.onnx')],
      ['a', '--manifest', 'b', '--calibration', 'magic'],
    ]) {
      const { code, output } = await quantize(...args);
      assert.deepEqual([code, output.includes('Usage: npm run quantize')], [2, true]);
    }
  });
});
