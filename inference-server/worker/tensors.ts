import type { InferenceSession, Tensor, TypedTensor } from 'onnxruntime-node';
import { RequestError } from '../../foundation/errors.ts';
import type { Datatype, Order, Output, TensorSpec } from './protocol.ts';

type TensorOrder = Extract<Order, { kind: 'tensors' }>;
type NamedTensor = TensorOrder['inputs'][number];
type Metadata = InferenceSession['inputMetadata'];
type MakeTensor = (type: Tensor.Type, data: Tensor.DataType, shape: number[]) => Tensor;

type NumericArray = Exclude<Tensor.DataType, string[]>;

interface Element {
  type: Tensor.Type;
  bytes: number;
  view: (buffer: ArrayBuffer) => NumericArray;
}

/** What ONNX Runtime calls each type, and how its elements lie in memory. BYTES is apart: strings. */
const ELEMENTS: Record<Exclude<Datatype, 'BYTES'>, Element> = {
  BOOL: { type: 'bool', bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  UINT8: { type: 'uint8', bytes: 1, view: (buffer) => new Uint8Array(buffer) },
  UINT16: { type: 'uint16', bytes: 2, view: (buffer) => new Uint16Array(buffer) },
  UINT32: { type: 'uint32', bytes: 4, view: (buffer) => new Uint32Array(buffer) },
  UINT64: { type: 'uint64', bytes: 8, view: (buffer) => new BigUint64Array(buffer) },
  INT8: { type: 'int8', bytes: 1, view: (buffer) => new Int8Array(buffer) },
  INT16: { type: 'int16', bytes: 2, view: (buffer) => new Int16Array(buffer) },
  INT32: { type: 'int32', bytes: 4, view: (buffer) => new Int32Array(buffer) },
  INT64: { type: 'int64', bytes: 8, view: (buffer) => new BigInt64Array(buffer) },
  FP16: { type: 'float16', bytes: 2, view: (buffer) => new Uint16Array(buffer) },
  FP32: { type: 'float32', bytes: 4, view: (buffer) => new Float32Array(buffer) },
  FP64: { type: 'float64', bytes: 8, view: (buffer) => new Float64Array(buffer) },
};

const NAMES = new Map<string, Datatype>([
  ...Object.entries(ELEMENTS).map(([name, { type }]): [string, Datatype] => [type, name as Datatype]),
  ['string', 'BYTES'],
]);

/** What the graph takes or gives; -1 is a size that may vary. Undefined when a type is none that can be passed. */
export function specsOf(metadata: Metadata): TensorSpec[] | undefined {
  const specs: TensorSpec[] = [];
  for (const value of metadata) {
    const datatype = value.isTensor ? NAMES.get(value.type) : undefined;
    if (!value.isTensor || datatype === undefined) return undefined;
    const shape = value.shape.map((size) => (typeof size === 'number' ? size : -1));
    specs.push({ name: value.name, datatype, shape });
  }
  return specs;
}

const MOST_ZEROS = 1 << 28;

/** Inputs of nothing but zeros (of empty strings, for BYTES), 1 where a size may vary; undefined when they are huge. */
export function zerosFor(specs: TensorSpec[]): NamedTensor[] | undefined {
  const inputs: NamedTensor[] = [];
  for (const { name, datatype, shape: varying } of specs) {
    const shape = varying.map((size) => (size === -1 ? 1 : size));
    const bytes = datatype === 'BYTES' ? 4 : ELEMENTS[datatype].bytes;
    const length = shape.reduce((product, size) => product * size, bytes);
    if (length > MOST_ZEROS) return undefined;
    inputs.push({ name, datatype, shape, data: new Uint8Array(length) });
  }
  return inputs;
}

/**
 * The feeds of one run.
 * @throws RequestError `input_unknown`, `input_missing`, `input_repeated`, `input_invalid`, `output_unknown`.
 */
export function feedsOf(
  order: TensorOrder,
  graph: { inputs: TensorSpec[]; outputs: TensorSpec[] },
  make: MakeTensor,
): { feeds: Record<string, Tensor>; fetches: string[] } {
  const feeds = new Map<string, Tensor>();
  for (const input of order.inputs) {
    const spec = graph.inputs.find(({ name }) => name === input.name);
    if (spec === undefined)
      throw refused('input_unknown', `The model has no input ${input.name}. It has ${listed(graph.inputs)}.`);
    if (feeds.has(input.name)) throw refused('input_repeated', `The input ${input.name} is given twice.`);
    feeds.set(input.name, tensorOf(input, spec, make));
  }
  const missing = graph.inputs.find(({ name }) => !feeds.has(name));
  if (missing !== undefined)
    throw refused(
      'input_missing',
      `The input ${missing.name} is missing. The model takes ${listed(graph.inputs)}.`,
    );
  const fetches = order.outputs ?? graph.outputs.map(({ name }) => name);
  const unknown = fetches.find((name) => !graph.outputs.some((output) => output.name === name));
  if (unknown !== undefined)
    throw refused('output_unknown', `The model has no output ${unknown}. It has ${listed(graph.outputs)}.`);
  return { feeds: Object.fromEntries(feeds), fetches };
}

export function outputsOf(results: Record<string, Tensor | undefined>, names: string[]): Output {
  return {
    kind: 'tensors',
    outputs: names.map((name) => {
      const tensor = results[name];
      const datatype = NAMES.get(tensor?.type ?? '');
      if (tensor === undefined || datatype === undefined)
        throw new TypeError(`the output ${name} is ${tensor?.type ?? 'missing'}, which cannot be passed on`);
      return { name, datatype, shape: [...tensor.dims], data: bytesOf(tensor) };
    }),
  };
}

function tensorOf(input: NamedTensor, spec: TensorSpec, make: MakeTensor): Tensor {
  const { name, datatype, shape, data } = input;
  const wanted = `${spec.datatype} [${spec.shape.join(', ')}]`;
  const fits =
    datatype === spec.datatype &&
    shape.length === spec.shape.length &&
    spec.shape.every((size, axis) => size === -1 || size === shape[axis]);
  if (!fits || shape.some((size) => !Number.isSafeInteger(size) || size < 0))
    throw refused(
      'input_invalid',
      `The input ${name} is ${datatype} [${shape.join(', ')}]; the model takes ${wanted}, where -1 is any size.`,
    );
  const count = shape.reduce((product, size) => product * size, 1);
  if (datatype === 'BYTES') return make('string', stringsOf(name, data, count), shape);
  const element = ELEMENTS[datatype];
  if (data.length !== count * element.bytes)
    throw refused(
      'input_invalid',
      `The input ${name} has ${data.length} bytes; ${datatype} [${shape.join(', ')}] is ${count * element.bytes}.`,
    );
  // A copy, since what came over the channel need not be aligned.
  return make(element.type, element.view(new Uint8Array(data).buffer), shape);
}

/** Each element is its length in four bytes, little-endian, and then its UTF-8. */
function stringsOf(name: string, data: Uint8Array, count: number): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const strings: string[] = [];
  try {
    let at = 0;
    while (at < data.length) {
      const end = at + 4 + view.getUint32(at, true);
      if (end > data.length) throw new RangeError('an element is longer than the data');
      strings.push(decoder.decode(data.subarray(at + 4, end)));
      at = end;
    }
  } catch {
    throw refused('input_invalid', `The input ${name} is not a row of UTF-8 strings, each after its length.`);
  }
  if (strings.length !== count)
    throw refused(
      'input_invalid',
      `The input ${name} has ${strings.length} strings; its shape says ${count}.`,
    );
  return strings;
}

function bytesOf(tensor: Tensor): Uint8Array {
  const { data } = tensor as TypedTensor<Tensor.Type>;
  if (!Array.isArray(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat(
    data.map((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    }),
  );
}

function listed(specs: TensorSpec[]): string {
  return specs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(', ')}]`).join('; ');
}

function refused(code: string, message: string): RequestError {
  return new RequestError(400, code, message);
}
