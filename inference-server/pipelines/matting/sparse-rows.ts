import { type MattingSystem, neighbour, STENCIL } from './laplacian.ts';

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
