import { type Factor, factorize, preconditioned } from './incomplete-cholesky.ts';
import { type MattingSystem, neighbour, STENCIL } from './laplacian.ts';

const TOLERANCE = 1e-7;
const MAX_ITERATIONS = 10_000;

/** The rows of a symmetric matrix in compressed form, their columns ascending. */
export interface SparseRows {
  /** Where each row begins in `columns` and `values`; one more than there are rows. */
  starts: Int32Array;
  columns: Int32Array;
  values: Float64Array;
}

/** The matrix without the known pixels and without zeros. */
export function unknownRows({ index, pixels, matrix, width }: MattingSystem): SparseRows {
  const starts = new Int32Array(pixels.length + 1);
  const columns = new Int32Array(pixels.length * STENCIL);
  const values = new Float64Array(pixels.length * STENCIL);
  let used = 0;
  for (let row = 0; row < pixels.length; row++) {
    for (let k = 0; k < STENCIL; k++) {
      const value = matrix[row * STENCIL + k] as number;
      if (value === 0) continue;
      const column = index[neighbour(pixels[row] as number, k, width)];
      if (column === undefined || column === -1) continue;
      columns[used] = column;
      values[used++] = value;
    }
    starts[row + 1] = used;
  }
  return { starts, columns: columns.subarray(0, used), values: values.subarray(0, used) };
}

/**
 * Conjugate gradients of Hestenes and Stiefel (1952), preconditioned by an incomplete Cholesky factor, until the
 * residual is 1e-7 of the right side. Undefined when that is not reached.
 */
export function solve(matrix: SparseRows, right: Float64Array): Float64Array | undefined {
  const norm = Math.sqrt(inner(right, right));
  if (norm === 0) return undefined;
  const factor = factorize(matrix);
  return factor === undefined ? undefined : iterate(matrix, right, factor, TOLERANCE * norm);
}

function iterate(
  matrix: SparseRows,
  right: Float64Array,
  factor: Factor,
  enough: number,
): Float64Array | undefined {
  const solution = new Float64Array(right.length);
  const residual = Float64Array.from(right);
  const step = new Float64Array(right.length);
  let scaled = preconditioned(factor, residual);
  const direction = Float64Array.from(scaled);
  let product = inner(residual, scaled);
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    multiplyInto(step, matrix, direction);
    const length = product / inner(direction, step);
    for (let i = 0; i < solution.length; i++) {
      solution[i] = (solution[i] as number) + length * (direction[i] as number);
      residual[i] = (residual[i] as number) - length * (step[i] as number);
    }
    const size = Math.sqrt(inner(residual, residual));
    if (size < enough) return solution;
    if (!Number.isFinite(size)) return undefined;
    scaled = preconditioned(factor, residual);
    const next = inner(residual, scaled);
    const keep = next / product;
    product = next;
    for (let i = 0; i < direction.length; i++)
      direction[i] = (direction[i] as number) * keep + (scaled[i] as number);
  }
  return undefined;
}

function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function multiplyInto(
  output: Float64Array,
  { starts, columns, values }: SparseRows,
  vector: Float64Array,
): void {
  for (let row = 0; row < output.length; row++) {
    let sum = 0;
    for (let at = starts[row] as number; at < (starts[row + 1] as number); at++)
      sum += (values[at] as number) * (vector[columns[at] as number] as number);
    output[row] = sum;
  }
}
