/**
 * Tiny ONNX graphs, encoded as protobuf by hand: a picture [1, 3, height, width] in float32 becomes a mask
 * [1, 1, height, width]. Field numbers are those of onnx.proto3.
 */

const VARINT = 0;
const BYTES = 2;
const FLOAT = 1;
const ATTRIBUTE_INTS = 7;
const OPSET = 17;
const IR_VERSION = 8;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

export function field(number: number, value: number | string | Buffer): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number * 8 + VARINT), varint(value)]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint(number * 8 + BYTES), varint(bytes.length), bytes]);
}

export function message(...fields: (Buffer | Buffer[])[]): Buffer {
  return Buffer.concat(fields.flat());
}

export function tensor(name: string, dims: number[], values: Float32Array): Buffer {
  return message(
    dims.map((dim) => field(1, dim)),
    field(2, FLOAT),
    field(8, name),
    field(9, Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
  );
}

export function valueInfo(name: string, dims: number[]): Buffer {
  const shape = message(
    dims.map((dim, axis) => field(1, dim === -1 ? field(2, `${name}_${axis}`) : field(1, dim))),
  );
  return message(field(1, name), field(2, field(1, message(field(1, FLOAT), field(2, shape)))));
}

export function conv(input: string, weights: string, output: string, padding: number): Buffer {
  const ints = (name: string, values: number[]): Buffer =>
    field(
      5,
      message(
        field(1, name),
        values.map((value) => field(8, value)),
        field(20, ATTRIBUTE_INTS),
      ),
    );
  const size = 2 * padding + 1;
  return message(
    field(1, input),
    field(1, weights),
    field(2, output),
    field(3, output),
    field(4, 'Conv'),
    ints('kernel_shape', [size, size]),
    ints('pads', [padding, padding, padding, padding]),
  );
}

export interface TinyGraph {
  width: number;
  height: number;
  /** How many convolutions of 64 channels stand between input and output, each about 75,000 operations a pixel. */
  work?: number;
  /** The graph takes any size; then this is only what its pipeline says. */
  anySize?: boolean;
}

const CHANNELS = 64;

/** The mean of red, green and blue, whatever the amount of work: the convolutions in between change nothing. */
export function tinyGraph({ width, height, work = 0, anySize = false }: TinyGraph): Buffer {
  const spread = new Float32Array(CHANNELS * 3);
  for (let channel = 0; channel < CHANNELS; channel++) spread[channel * 3 + (channel % 3)] = 1;
  const identity = new Float32Array(CHANNELS * CHANNELS * 9);
  for (let channel = 0; channel < CHANNELS; channel++) identity[(channel * CHANNELS + channel) * 9 + 4] = 1;
  const mean = new Float32Array(CHANNELS).fill(0);
  mean.fill(1 / 3, 0, 3);
  const steps = Array.from({ length: work }, (_, i) => conv(`x${i}`, 'identity', `x${i + 1}`, 1));
  const size = anySize ? [-1, -1] : [height, width];
  const graph = message(
    [conv('input', 'spread', 'x0', 0), ...steps, conv(`x${work}`, 'mean', 'output', 0)].map((node) =>
      field(1, node),
    ),
    field(2, 'tiny'),
    field(5, tensor('spread', [CHANNELS, 3, 1, 1], spread)),
    field(5, tensor('identity', [CHANNELS, CHANNELS, 3, 3], identity)),
    field(5, tensor('mean', [1, CHANNELS, 1, 1], mean)),
    field(11, valueInfo('input', [1, 3, ...size])),
    field(12, valueInfo('output', [1, 1, ...size])),
  );
  return modelOf(graph);
}

/** Element types by the number that ONNX gives them. */
export const ELEMENT_TYPES = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
} as const;

/** Gives each input as it is: for each name, an output of the same name with `out_` before it. -1 is a free size. */
export function identityGraph(
  values: { name: string; datatype: keyof typeof ELEMENT_TYPES; shape: number[] }[],
): Buffer {
  const info = (name: string, datatype: keyof typeof ELEMENT_TYPES, shape: number[]): Buffer => {
    const dims = shape.map((size, axis) =>
      field(1, size === -1 ? field(2, `${name}_${axis}`) : field(1, size)),
    );
    const type = message(field(1, ELEMENT_TYPES[datatype]), field(2, message(dims)));
    return message(field(1, name), field(2, field(1, type)));
  };
  const graph = message(
    values.map(({ name }) =>
      field(1, message(field(1, name), field(2, `out_${name}`), field(3, name), field(4, 'Identity'))),
    ),
    field(2, 'identity'),
    values.map(({ name, datatype, shape }) => field(11, info(name, datatype, shape))),
    values.map(({ name, datatype, shape }) => field(12, info(`out_${name}`, datatype, shape))),
  );
  return modelOf(graph);
}

/** A whole model of a graph. */
export function modelOf(graph: Buffer): Buffer {
  return message(
    field(1, IR_VERSION),
    field(2, 'imageplane-tests'),
    field(7, graph),
    field(8, message(field(1, ''), field(2, OPSET))),
  );
}
