import { type Factor, factorize, preconditioned } from './incomplete-cholesky.ts';
import type { SparseRows } from './sparse-rows.ts';

const TOLERANCE = 1e-7;
const MAX_ITERATIONS = 10_000;

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
