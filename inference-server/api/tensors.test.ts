import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RequestError } from '../../foundation/errors.ts';
import type { Datatype } from '../engine/engine.ts';
import { readInference } from './inference-request.ts';
import { DATATYPES, fromHalf, tensorFromBinary, tensorFromJson, tensorToJson, toHalf } from './tensors.ts';

const whole = (min: number, max: number): fc.Arbitrary<unknown> => fc.integer({ min, max });
const SAFE = Number.MAX_SAFE_INTEGER;
const values: Record<Datatype, fc.Arbitrary<unknown>> = {
  BOOL: fc.boolean(),
  UINT8: whole(0, 255),
  UINT16: whole(0, 65_535),
  UINT32: whole(0, 2 ** 32 - 1),
  UINT64: fc.maxSafeInteger().map(Math.abs),
  INT8: whole(-128, 127),
  INT16: whole(-32_768, 32_767),
  INT32: whole(-(2 ** 31), 2 ** 31 - 1),
  INT64: fc.maxSafeInteger(),
  FP16: whole(0, 0x7bff).map((bits) => fromHalf(bits as number)),
  FP32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  FP64: fc.double({ noNaN: true, noDefaultInfinity: true }),
  BYTES: fc.string(),
};

describe('tensors', () => {
  for (const datatype of DATATYPES)
    it(`of ${datatype} come back from JSON as they were, flat or nested`, () => {
      fc.assert(
        fc.property(fc.array(values[datatype], { minLength: 2, maxLength: 20 }), (data) => {
          const even = data.slice(0, data.length - (data.length % 2));
          const flat = tensorFromJson('x', datatype, [even.length], even);
          assert.deepEqual(tensorToJson(flat), even);
          const rows = [even.slice(0, even.length / 2), even.slice(even.length / 2)];
          const nested = tensorFromJson('x', datatype, [2, even.length / 2], rows);
          assert.deepEqual(nested.data, flat.data);
          assert.deepEqual(tensorFromBinary('x', datatype, flat.shape, flat.data), flat);
        }),
        { numRuns: 50 },
      );
    });

  it('round to half precision as the standard says', () => {
    for (let bits = 0; bits <= 0x7c00; bits++) assert.equal(toHalf(fromHalf(bits)), bits);
    const cases: [number, number][] = [
      [65_519, 0x7bff],
      [65_520, 0x7c00],
      [-0, 0x8000],
      [2049, fromHalfBits(2048)],
      [2051, fromHalfBits(2052)],
      [2 ** -25, 0],
      [2 ** -24, 1],
      [NaN, 0x7e00],
      [-Infinity, 0xfc00],
    ];
    for (const [value, bits] of cases) assert.equal(toHalf(value), bits, String(value));
    function fromHalfBits(value: number): number {
      return toHalf(value);
    }
  });

  it('are refused when number, kind, range or size do not fit', () => {
    const refused: [Datatype, number[], unknown[]][] = [
      ['UINT8', [2], [1]],
      ['UINT8', [1], [1, 2]],
      ['UINT8', [1], [256]],
      ['INT8', [1], [1.5]],
      ['INT64', [1], [2 ** 60]],
      ['FP32', [1], ['1']],
      ['BOOL', [1], ['true']],
      ['BYTES', [1], [1]],
      ['FP32', [70_000, 70_000], []],
      ['FP32', [1], [null]],
    ];
    for (const [datatype, shape, data] of refused)
      assert.throws(() => tensorFromJson('x', datatype, shape, data), { code: 'tensor_invalid' });
    assert.throws(() => tensorFromBinary('x', 'FP32', [2], new Uint8Array(7)), { code: 'tensor_invalid' });
    assert.throws(() => tensorFromBinary('x', 'BYTES', [1], Uint8Array.of(9, 0, 0, 0, 1)), {
      code: 'tensor_invalid',
    });
  });

  it('that JSON has no form for are refused rather than changed', () => {
    const infinite = tensorFromJson('x', 'FP32', [1], [1e39]);
    assert.throws(() => tensorToJson(infinite), { code: 'output_not_json' });
    const large = new Uint8Array(8).fill(127);
    assert.throws(() => tensorToJson({ name: 'x', datatype: 'INT64', shape: [1], data: large }), {
      code: 'output_not_json',
    });
    assert.equal(SAFE, 2 ** 53 - 1);
  });
});

describe('a request of inference', () => {
  const read = (request: unknown, binary = Buffer.alloc(0)): ReturnType<typeof readInference> => {
    const head = Buffer.from(JSON.stringify(request));
    return readInference(Buffer.concat([head, binary]), head.length);
  };
  const input = { name: 'a', shape: [2], datatype: 'FP32' };

  it('has its tensors in JSON or as binary data, in their order', () => {
    const { inputs, outputs, binary, priority, deadlineMs } = read(
      {
        parameters: { binary_data_output: true, priority: 1, timeout: 1500 },
        inputs: [
          { ...input, parameters: { binary_data_size: 8 } },
          { ...input, name: 'b', data: [3, 4] },
          { ...input, name: 'c', parameters: { binary_data_size: 8 } },
        ],
        outputs: [{ name: 'x', parameters: { binary_data: false } }, { name: 'y' }],
      },
      Buffer.from(Float32Array.of(1, 2, 5, 6).buffer),
    );
    assert.deepEqual(inputs.map(tensorToJson), [
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    assert.deepEqual(outputs, ['x', 'y']);
    assert.deepEqual([binary('x'), binary('y')], [false, true]);
    assert.deepEqual([priority, deadlineMs], ['high', 2]);
  });

  it('is refused by the name of what is not supported or does not add up', () => {
    const data = { ...input, data: [1, 2] };
    const cases: [unknown, string][] = [
      [{ inputs: [data], model_name: 'x' }, 'field_unsupported'],
      [{ inputs: [data], parameters: { sequence_id: 1 } }, 'field_unsupported'],
      [{ inputs: [{ ...data, parameters: { shared_memory_region: 'x' } }] }, 'field_unsupported'],
      [{ inputs: [data], outputs: [{ name: 'x', parameters: { classification: 3 } }] }, 'field_unsupported'],
      [{ inputs: [data], parameters: { priority: 9 } }, 'field_invalid'],
      [{ inputs: [data, data] }, 'field_repeated'],
      [{ inputs: [] }, 'malformed_json'],
      [{ inputs: [{ ...data, datatype: 'FP8' }] }, 'malformed_json'],
      [{ inputs: [{ ...data, shape: [-1] }] }, 'malformed_json'],
      [{ inputs: [input] }, 'field_missing'],
      [{ inputs: [{ ...data, parameters: { binary_data_size: 8 } }] }, 'tensor_invalid'],
      [{ inputs: [{ ...input, parameters: { binary_data_size: 9 } }] }, 'tensor_invalid'],
      [[], 'malformed_json'],
    ];
    for (const [request, code] of cases)
      assert.throws(() => read(request), { code }, JSON.stringify(request));
    assert.throws(() => read({ inputs: [data] }, Buffer.alloc(1)), { code: 'malformed_json' });
  });

  it('is read or refused with a reason, whatever it is', () => {
    const anything = fc.jsonValue({ maxDepth: 4 });
    const near = fc.record({
      inputs: fc.array(fc.record({ name: anything, shape: anything, datatype: anything, data: anything })),
      parameters: anything,
      outputs: anything,
    });
    fc.assert(
      fc.property(fc.oneof(anything, near), fc.uint8Array({ maxLength: 64 }), (request, binary) => {
        try {
          read(request, Buffer.from(binary));
        } catch (error) {
          assert.ok(error instanceof RequestError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
