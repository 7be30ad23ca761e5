import type { Datatype, NamedTensor } from '../engine/engine.ts';
import { refusal } from '../messages.ts';

/** Bytes of one element; 0 where elements have lengths of their own. */
export const BYTES_OF: Readonly<Record<Datatype, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
};
export const DATATYPES = Object.keys(BYTES_OF) as [Datatype, ...Datatype[]];

const MAX_ELEMENTS = 2 ** 31 - 1;

function invalid(field: string, problem: string): never {
  throw refusal('tensor_invalid', { field, problem });
}

/** @throws RequestError `tensor_invalid` when the product is beyond what a buffer can hold. */
export function elementsOf(name: string, shape: readonly number[]): number {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > MAX_ELEMENTS) invalid(name, `its shape [${shape.join(', ')}] has too many elements`);
  return count;
}

/**
 * A tensor from its JSON form: `data` row-major, flat or nested.
 * @throws RequestError `tensor_invalid` when number, kind or range of its values do not fit.
 */
export function tensorFromJson(
  name: string,
  datatype: Datatype,
  shape: number[],
  data: readonly unknown[],
): NamedTensor {
  const count = elementsOf(name, shape);
  const values: unknown[] = [];
  flattenInto(values, data, name, count, 0);
  if (values.length !== count)
    invalid(name, `its shape [${shape.join(', ')}] has ${count} elements, and its data ${values.length}`);
  if (datatype === 'BYTES') return { name, datatype, shape, data: bytesOfStrings(name, values) };
  const buffer = new Uint8Array(count * BYTES_OF[datatype]);
  const view = new DataView(buffer.buffer);
  for (const [index, value] of values.entries()) {
    const written = WRITE[datatype](view, index * BYTES_OF[datatype], value);
    if (!written) invalid(name, `its value ${String(value).slice(0, 40)} at ${index} is not ${datatype}`);
  }
  return { name, datatype, shape, data: buffer };
}

const MAX_NESTING = 32;

function flattenInto(
  into: unknown[],
  data: readonly unknown[],
  name: string,
  most: number,
  depth: number,
): void {
  if (depth > MAX_NESTING) invalid(name, 'its data is nested too deeply');
  for (const value of data) {
    if (Array.isArray(value)) flattenInto(into, value, name, most, depth + 1);
    else into.push(value);
    if (into.length > most) invalid(name, `its data has more than the ${most} elements of its shape`);
  }
}

type Write = (view: DataView, at: number, value: unknown) => boolean;

function integer(
  least: number,
  most: number,
  set: (view: DataView, at: number, value: number) => void,
): Write {
  return (view, at, value) => {
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) return false;
    set(view, at, value as number);
    return true;
  };
}

function real(set: (view: DataView, at: number, value: number) => void): Write {
  return (view, at, value) => {
    if (typeof value !== 'number') return false;
    set(view, at, value);
    return true;
  };
}

const SAFE = Number.MAX_SAFE_INTEGER;

/** Whole numbers beyond 2^53 have no exact form in JSON; they are sent as binary data. */
const WRITE: Readonly<Record<Exclude<Datatype, 'BYTES'>, Write>> = {
  BOOL: (view, at, value) => {
    if (typeof value !== 'boolean' && value !== 0 && value !== 1) return false;
    view.setUint8(at, Number(value));
    return true;
  },
  UINT8: integer(0, 255, (view, at, value) => {
    view.setUint8(at, value);
  }),
  UINT16: integer(0, 65_535, (view, at, value) => {
    view.setUint16(at, value, true);
  }),
  UINT32: integer(0, 2 ** 32 - 1, (view, at, value) => {
    view.setUint32(at, value, true);
  }),
  UINT64: integer(0, SAFE, (view, at, value) => {
    view.setBigUint64(at, BigInt(value), true);
  }),
  INT8: integer(-128, 127, (view, at, value) => {
    view.setInt8(at, value);
  }),
  INT16: integer(-32_768, 32_767, (view, at, value) => {
    view.setInt16(at, value, true);
  }),
  INT32: integer(-(2 ** 31), 2 ** 31 - 1, (view, at, value) => {
    view.setInt32(at, value, true);
  }),
  INT64: integer(-SAFE, SAFE, (view, at, value) => {
    view.setBigInt64(at, BigInt(value), true);
  }),
  FP16: real((view, at, value) => {
    view.setUint16(at, toHalf(value), true);
  }),
  FP32: real((view, at, value) => {
    view.setFloat32(at, value, true);
  }),
  FP64: real((view, at, value) => {
    view.setFloat64(at, value, true);
  }),
};

const READ: Readonly<Record<Exclude<Datatype, 'BYTES'>, (view: DataView, at: number) => unknown>> = {
  BOOL: (view, at) => view.getUint8(at) !== 0,
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: (view, at) => Number(view.getBigUint64(at, true)),
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: (view, at) => Number(view.getBigInt64(at, true)),
  FP16: (view, at) => fromHalf(view.getUint16(at, true)),
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
};

/**
 * The flat data of a tensor's JSON form.
 * @throws RequestError `output_not_json` for what is not finite or not exact in JSON.
 */
export function tensorToJson({ name, datatype, data }: NamedTensor): unknown[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (datatype === 'BYTES') return stringsOfBytes(data, view);
  const values: unknown[] = [];
  for (let at = 0; at < data.byteLength; at += BYTES_OF[datatype]) {
    const value = READ[datatype](view, at);
    const exact =
      typeof value !== 'number' ||
      (Number.isFinite(value) && (!is64(datatype) || Number.isSafeInteger(value)));
    if (!exact) throw refusal('output_not_json', { field: name });
    values.push(value);
  }
  return values;
}

function is64(datatype: Datatype): boolean {
  return datatype === 'INT64' || datatype === 'UINT64';
}

function bytesOfStrings(name: string, values: readonly unknown[]): Uint8Array {
  const parts = values.map((value) => {
    if (typeof value !== 'string') return invalid(name, 'BYTES are text in JSON');
    const text = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, text]);
  });
  return Buffer.concat(parts);
}

function stringsOfBytes(data: Uint8Array, view: DataView): string[] {
  const strings: string[] = [];
  for (let at = 0; at + 4 <= data.byteLength;) {
    const length = view.getUint32(at, true);
    strings.push(Buffer.from(data.subarray(at + 4, at + 4 + length)).toString('utf8'));
    at += 4 + length;
  }
  return strings;
}

/**
 * A tensor from its binary form: row-major and little-endian, of exactly the size that its shape says.
 * @throws RequestError `tensor_invalid`.
 */
export function tensorFromBinary(
  name: string,
  datatype: Datatype,
  shape: number[],
  data: Uint8Array,
): NamedTensor {
  const count = elementsOf(name, shape);
  if (datatype === 'BYTES') {
    const found = countStrings(name, data);
    if (found !== count) invalid(name, `its shape has ${count} elements, and its data ${found}`);
  } else if (data.byteLength !== count * BYTES_OF[datatype])
    invalid(name, `its shape needs ${count * BYTES_OF[datatype]} bytes, and it has ${data.byteLength}`);
  return { name, datatype, shape, data };
}

function countStrings(name: string, data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  let at = 0;
  while (at + 4 <= data.byteLength) {
    at += 4 + view.getUint32(at, true);
    count++;
  }
  if (at !== data.byteLength) invalid(name, 'the lengths in its data do not add up');
  return count;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** IEEE 754 binary16 of a number, rounded to the nearest, ties to even. */
export function toHalf(value: number): number {
  single[0] = value;
  const bits = singleBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return sign | 0x7e00;
  if (magnitude >= 65_520) return sign | 0x7c00;
  // Below the smallest normal number the steps are all 2^-24.
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const step = 2 ** (Math.min(exponent, 15) - 10);
  const steps = halfEven(magnitude / step);
  if (magnitude < 2 ** -14) return sign | steps;
  return sign | (((Math.min(exponent, 15) + 15) << 10) + (steps - 1024));
}

function halfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest < 0.5 ? below : below + 1;
}

export function fromHalf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
