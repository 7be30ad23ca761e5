import { refusal } from '../../messages.ts';
import type { SparseRows } from './sparse-rows.ts';

/** Entries of the factor smaller than this are left out. */
const DROP_BELOW = 1e-4;
/** Added to the diagonal, one after the other, until the matrix has a factor. */
const SHIFTS = [0, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 10, 100, 1e3, 1e4, 1e5];
/** Twelve bytes each: a picture whose soft edge needs more is refused. */
const MAX_ENTRIES = 48_000_000;

/** A lower triangle by columns; the diagonal is the first entry of each, the others ascend. */
export interface Factor {
  starts: Int32Array;
  rows: Int32Array;
  values: Float64Array;
}

/**
 * An incomplete Cholesky factor by columns (Jones and Plassmann, "An Improved Incomplete Cholesky Factorization", 1995)
 * that drops small entries, but takes them off the diagonal all the same. Undefined when no shift helps.
 * @throws RequestError `matting_too_large`.
 */
export function factorize(matrix: SparseRows): Factor | undefined {
  for (const shift of SHIFTS) {
    const factor = factorizeShifted(matrix, shift);
    if (factor !== undefined) return factor;
  }
  return undefined;
}

const NONE = -1;

function factorizeShifted(matrix: SparseRows, shift: number): Factor | undefined {
  const size = matrix.starts.length - 1;
  const starts = new Int32Array(size + 1);
  const store = growingEntries(matrix.columns.length);
  // Columns with an entry in row r, as a list that begins at first[r]; and where in the column that entry is.
  const first = new Int32Array(size).fill(NONE);
  const next = new Int32Array(size).fill(NONE);
  const cursor = new Int32Array(size);
  const diagonal = diagonalOf(matrix, shift);
  const column = workColumn(size);

  for (let j = 0; j < size; j++) {
    for (let at = matrix.starts[j] as number; at < (matrix.starts[j + 1] as number); at++) {
      const row = matrix.columns[at] as number;
      if (row > j) column.add(row, matrix.values[at] as number);
    }
    for (let k = first[j] as number; k !== NONE;) {
      const following = next[k] as number;
      subtractColumn(k);
      k = following;
    }
    const pivot = diagonal[j] as number;
    if (!(pivot > 0)) return undefined;
    const root = Math.sqrt(pivot);
    store.push(j, root);
    for (const row of column.takeRows()) {
      const value = column.take(row) / root;
      diagonal[row] = (diagonal[row] as number) - value * value;
      if (Math.abs(value) > DROP_BELOW) store.push(row, value);
    }
    starts[j + 1] = store.length();
    cursor[j] = (starts[j] as number) + 1;
    link(j);
  }
  return { starts, rows: store.rows(), values: store.values() };

  /** Takes a finished column that has an entry in the current row off the one in work, and moves it to its next row. */
  function subtractColumn(k: number): void {
    const rows = store.rows();
    const values = store.values();
    const at = cursor[k] as number;
    const weight = values[at] as number;
    cursor[k] = at + 1;
    for (let i = at + 1; i < (starts[k + 1] as number); i++)
      column.add(rows[i] as number, -((values[i] as number) * weight));
    link(k);
  }

  function link(k: number): void {
    const at = cursor[k] as number;
    if (at >= (starts[k + 1] as number)) return;
    const row = store.rows()[at] as number;
    next[k] = first[row] as number;
    first[row] = k;
  }
}

function diagonalOf({ starts, columns, values }: SparseRows, shift: number): Float64Array {
  const diagonal = new Float64Array(starts.length - 1).fill(shift);
  for (let row = 0; row < diagonal.length; row++)
    for (let at = starts[row] as number; at < (starts[row + 1] as number); at++)
      if (columns[at] === row) diagonal[row] = (diagonal[row] as number) + (values[at] as number);
  return diagonal;
}

interface WorkColumn {
  add(row: number, value: number): void;
  /** The rows that were added to, ascending; the column is empty once each was taken. */
  takeRows(): Int32Array;
  take(row: number): number;
}

/** A dense column with a list of what is in it, so that emptying it costs what it holds. */
function workColumn(size: number): WorkColumn {
  const values = new Float64Array(size);
  const present = new Uint8Array(size);
  const rows = new Int32Array(size);
  let count = 0;
  return {
    add(row, value) {
      values[row] = (values[row] as number) + value;
      if (present[row] === 1) return;
      present[row] = 1;
      rows[count++] = row;
    },
    takeRows() {
      const taken = rows.slice(0, count).sort();
      count = 0;
      return taken;
    },
    take(row) {
      const value = values[row] as number;
      values[row] = 0;
      present[row] = 0;
      return value;
    },
  };
}

interface Entries {
  push(row: number, value: number): void;
  length(): number;
  rows(): Int32Array;
  values(): Float64Array;
}

function growingEntries(expected: number): Entries {
  let rows = new Int32Array(Math.min(MAX_ENTRIES, Math.max(expected, 16)));
  let values = new Float64Array(rows.length);
  let used = 0;
  function grow(): void {
    if (rows.length >= MAX_ENTRIES) throw refusal('matting_too_large');
    const size = Math.min(MAX_ENTRIES, Math.ceil(rows.length * 1.5));
    const [oldRows, oldValues] = [rows, values];
    rows = new Int32Array(size);
    values = new Float64Array(size);
    rows.set(oldRows);
    values.set(oldValues);
  }
  return {
    push(row, value) {
      if (used === rows.length) grow();
      rows[used] = row;
      values[used++] = value;
    },
    length: () => used,
    rows: () => rows,
    values: () => values,
  };
}

/** `(L · Lᵀ)⁻¹ · vector`, by forward and back substitution. */
export function preconditioned({ starts, rows, values }: Factor, vector: Float64Array): Float64Array {
  const result = Float64Array.from(vector);
  for (let j = 0; j < result.length; j++) {
    const start = starts[j] as number;
    const value = (result[j] as number) / (values[start] as number);
    result[j] = value;
    for (let at = start + 1; at < (starts[j + 1] as number); at++) {
      const row = rows[at] as number;
      result[row] = (result[row] as number) - (values[at] as number) * value;
    }
  }
  for (let j = result.length - 1; j >= 0; j--) {
    const start = starts[j] as number;
    let sum = result[j] as number;
    for (let at = start + 1; at < (starts[j + 1] as number); at++)
      sum -= (values[at] as number) * (result[rows[at] as number] as number);
    result[j] = sum / (values[start] as number);
  }
  return result;
}
