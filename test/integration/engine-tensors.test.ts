import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { v7 as newUuid } from 'uuid';
import type { NamedTensor, Output } from '../../inference-server/engine/engine.ts';
import { type EngineWorld, modelFile, startEngine, untilState } from '../support/engine.ts';
import { identityGraph, tinyGraph } from '../support/onnx.ts';

/** A few elements of each type, as bytes. */
const VALUES: Record<string, Uint8Array> = {
  BOOL: Uint8Array.of(1, 0, 1),
  UINT8: Uint8Array.of(0, 128, 255),
  INT8: new Uint8Array(Int8Array.of(-128, 0, 127).buffer),
  UINT16: new Uint8Array(Uint16Array.of(0, 40_000, 65_535).buffer),
  INT16: new Uint8Array(Int16Array.of(-32_768, 0, 32_767).buffer),
  UINT32: new Uint8Array(Uint32Array.of(0, 1, 4_294_967_295).buffer),
  INT32: new Uint8Array(Int32Array.of(-2_147_483_648, 0, 2_147_483_647).buffer),
  UINT64: new Uint8Array(BigUint64Array.of(0n, 1n, 18_446_744_073_709_551_615n).buffer),
  INT64: new Uint8Array(BigInt64Array.of(-9_223_372_036_854_775_808n, 0n, 9n).buffer),
  FP16: new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0x7bff).buffer),
  FP32: new Uint8Array(Float32Array.of(-1.5, 0, 3e38).buffer),
  FP64: new Uint8Array(Float64Array.of(-1.5, 0, 1e300).buffer),
  BYTES: strings('', 'Zürich', '抠图'),
};

function strings(...texts: string[]): Uint8Array {
  return Buffer.concat(
    texts.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}

const inputs: NamedTensor[] = Object.entries(VALUES).map(([datatype, data]) => ({
  name: datatype.toLowerCase(),
  datatype: datatype as NamedTensor['datatype'],
  shape: [3],
  data,
}));

let world: EngineWorld;

before(async () => {
  const types = identityGraph(inputs.map(({ name, datatype }) => ({ name, datatype, shape: [-1] })));
  world = await startEngine(async (folder) => {
    const common = { family: 'tiny', load: 'always' } as const;
    return [
      { ...common, name: 'types', task: 'tensors', files: await modelFile(folder, 'types', types) },
      {
        ...common,
        name: 'mean',
        task: 'background-removal',
        files: await modelFile(folder, 'mean', tinyGraph({ width: 2, height: 1 })),
        pipeline: {
          size: { width: 2, height: 1 },
          mean: [0, 0, 0],
          std: [1, 1, 1],
          activation: 'none',
        },
      },
    ];
  });
  await untilState(world, 'types', 'ready');
  await untilState(world, 'mean', 'ready');
});

after(async () => {
  await world.stop();
});

async function run(
  model: string,
  tensors: NamedTensor[],
  outputs?: string[],
): Promise<Output | { code: string; message: string }> {
  const work = { kind: 'tensors', inputs: tensors, ...(outputs === undefined ? {} : { outputs }) } as const;
  const id = newUuid();
  const result = await world.engine.run({ id, model, principal: 'ada', route: '/v2', work });
  return result.ok ? result.output : { code: result.error.code, message: result.error.message };
}

describe('any graph, with tensors', () => {
  it('takes and gives every type bit for bit', async () => {
    const output = await run('types', inputs);
    assert.ok('kind' in output && output.kind === 'tensors', JSON.stringify(output));
    for (const { name, datatype, shape, data } of inputs) {
      const found: NamedTensor | undefined = output.outputs.find((tensor) => tensor.name === `out_${name}`);
      assert.deepEqual([found?.datatype, found?.shape], [datatype, shape]);
      assert.deepEqual(Buffer.from(found?.data ?? []), Buffer.from(data), name);
    }
  });

  it('says what it takes and gives, and gives only what is asked for', async () => {
    const metadata = await world.engine.metadata('mean');
    assert.deepEqual(metadata.inputs, [{ name: 'input', datatype: 'FP32', shape: [1, 3, 1, 2] }]);
    assert.deepEqual(metadata.outputs, [{ name: 'output', datatype: 'FP32', shape: [1, 1, 1, 2] }]);
    assert.deepEqual((await world.engine.metadata('types')).inputs[0]?.shape, [-1]);
    const output = await run('types', inputs, ['out_fp32', 'out_bytes']);
    assert.ok('kind' in output && output.kind === 'tensors');
    assert.deepEqual(
      output.outputs.map(({ name }) => name),
      ['out_fp32', 'out_bytes'],
    );
  });

  it('runs the graph of a background-removal model as well', async () => {
    const data = new Uint8Array(Float32Array.of(3, 6, 0, 3, 3, 0).buffer);
    const output = await run('mean', [{ name: 'input', datatype: 'FP32', shape: [1, 3, 1, 2], data }]);
    assert.ok('kind' in output && output.kind === 'tensors', JSON.stringify(output));
    const values = new Float32Array(new Uint8Array(output.outputs[0]?.data ?? []).buffer);
    assert.deepEqual(
      [...values].map((value) => Math.round(value * 1000)),
      [2000, 3000],
    );
  });

  it('refuses by name what does not fit, and goes on', async () => {
    const input: NamedTensor = {
      name: 'input',
      datatype: 'FP32',
      shape: [1, 3, 1, 2],
      data: new Uint8Array(24),
    };
    const cases: [NamedTensor[], string[] | undefined, string, RegExp][] = [
      [[], undefined, 'input_missing', /input FP32 \[1, 3, 1, 2\]/],
      [[input, input], undefined, 'input_repeated', /input/],
      [[input, { ...input, name: 'x' }], undefined, 'input_unknown', /no input x/],
      [[{ ...input, datatype: 'FP64' }], undefined, 'input_invalid', /FP64.*takes FP32/],
      [[{ ...input, shape: [1, 3, 2, 1] }], undefined, 'input_invalid', /\[1, 3, 2, 1\]/],
      [[{ ...input, shape: [6] }], undefined, 'input_invalid', /\[6\]/],
      [[{ ...input, data: new Uint8Array(23) }], undefined, 'input_invalid', /23 bytes/],
      [[input], ['y'], 'output_unknown', /no output y/],
    ];
    for (const [tensors, outputs, code, message] of cases) {
      const refused = await run('mean', tensors, outputs);
      assert.ok('code' in refused);
      assert.equal(refused.code, code);
      assert.match(refused.message, message);
    }
    const broken = inputs.map((tensor) =>
      tensor.datatype === 'BYTES' ? { ...tensor, data: Uint8Array.of(9, 0, 0, 0, 65) } : tensor,
    );
    const refused = await run('types', broken);
    assert.ok('code' in refused && refused.code === 'input_invalid');
    assert.ok('kind' in (await run('mean', [input])));
    assert.deepEqual(world.causes, []);
  });
});
