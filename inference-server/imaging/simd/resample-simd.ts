import type { Kernel } from '../resample-kernel.ts';
import type { Raster } from '../raster.ts';
import { RESAMPLE_WASM } from './resample.generated.ts';

/*
 * The passes of the resampler with 128-bit vectors: the same integers in the same places, several at a time. Pictures
 * go through a few mebibytes of memory in bands of rows, so that it never grows with them.
 */

interface Passes {
  memory: WebAssembly.Memory;
  colours: (...pointersAndCounts: number[]) => void;
  greys: (...pointersAndCounts: number[]) => void;
  rows: (...pointersAndCounts: number[]) => void;
}

const PAGE = 65_536;
const BAND_BYTES = 1024 * 1024;
/** Of one row or one window of rows, and of a kernel's weights: beyond it the scalar passes do as well. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Vectors read and write so far beyond what they are for. */
const SLACK = 16;

let loaded: Passes | undefined;

function passes(): Passes {
  if (loaded === undefined) {
    const module = new WebAssembly.Module(Buffer.from(RESAMPLE_WASM, 'base64'));
    loaded = new WebAssembly.Instance(module).exports as Passes;
  }
  return loaded;
}

export function canResampleRows({ width, channels }: Raster, { start, weights }: Kernel): boolean {
  const longest = Math.max(width, start.length) * channels;
  return (channels === 1 || channels === 3) && longest <= MOST_BYTES && 4 * weights.length <= MOST_BYTES;
}

export function canResampleColumns({ width, channels }: Raster, { stride, weights }: Kernel): boolean {
  return stride * width * channels <= MOST_BYTES && 4 * weights.length <= MOST_BYTES;
}

/** Where things lie in the memory, which grows to hold them. */
function layOut(memory: WebAssembly.Memory, sizes: readonly number[]): { bytes: Uint8Array; at: number[] } {
  let end = 0;
  const at = sizes.map((size) => {
    const start = end;
    end += Math.ceil((size + SLACK) / SLACK) * SLACK;
    return start;
  });
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return { bytes: new Uint8Array(memory.buffer), at };
}

function put(bytes: Uint8Array, at: number, values: Int32Array): void {
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
}

/** Every row at another width, of one or three channels. */
export function resampleRows({ data, width, height, channels }: Raster, kernel: Kernel): Raster {
  const { memory, colours, greys } = passes();
  const { start, length, weights, stride } = kernel;
  const outputs = start.length;
  const [from, to] = [width * channels, outputs * channels];
  const band = Math.max(1, Math.floor(BAND_BYTES / Math.max(from, to)));
  const sizes = [start.byteLength, length.byteLength, weights.byteLength, band * from, band * to];
  const { bytes, at } = layOut(memory, sizes);
  const [starts, lengths, factors, input, output] = at as [number, number, number, number, number];
  put(bytes, starts, start);
  put(bytes, lengths, length);
  put(bytes, factors, weights);
  const pass = channels === 3 ? colours : greys;
  const result = new Uint8Array(to * height);
  for (let y = 0; y < height; y += band) {
    const rows = Math.min(band, height - y);
    bytes.set(data.subarray(y * from, (y + rows) * from), input);
    for (let row = 0; row < rows; row++)
      pass(input + row * from, output + row * to, outputs, starts, lengths, factors, stride);
    result.set(bytes.subarray(output, output + rows * to), y * to);
  }
  return { data: result, width: outputs, height, channels };
}

/** Every column at another height. */
export function resampleColumns({ data, width, channels }: Raster, kernel: Kernel): Raster {
  const { memory, rows: pass } = passes();
  const { start, length, weights, stride } = kernel;
  const height = start.length;
  const row = width * channels;
  const most = Math.max(stride, Math.floor(BAND_BYTES / row));
  const { bytes, at } = layOut(memory, [weights.byteLength, most * row, row]);
  const [factors, input, output] = at as [number, number, number];
  put(bytes, factors, weights);
  const result = new Uint8Array(row * height);
  let [first, end] = [0, 0];
  for (let y = 0; y < height; y++) {
    const top = start[y] as number;
    const count = length[y] as number;
    if (top + count > end) {
      first = top;
      end = Math.min(data.length / row, top + most);
      bytes.set(data.subarray(first * row, end * row), input);
    }
    pass(input + (top - first) * row, output, row, factors + 4 * y * stride, count);
    result.set(bytes.subarray(output, output + row), y * row);
  }
  return { data: result, width, height, channels };
}
