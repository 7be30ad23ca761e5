/** For every output position: where its window of input positions begins, how long it is, and its weights. */
export interface Kernel {
  start: Int32Array;
  length: Int32Array;
  weights: Int32Array;
  /** Distance between the weights of two neighbouring output positions. */
  stride: number;
}

const LOBES = 3;
/** Weights are fixed-point: 32 bits, less 8 for the sample, less 2 for sign and overshoot. */
export const PRECISION_BITS = 22;
export const HALF = 1 << (PRECISION_BITS - 1);

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

function lanczos(x: number): number {
  return x >= -LOBES && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}

function toFixed(weight: number): number {
  const scaled = weight * (1 << PRECISION_BITS);
  return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

export function kernelFor(inputSize: number, outputSize: number): Kernel {
  const scale = inputSize / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = LOBES * filterScale;
  // A multiple of four, so that four can be read at once.
  const stride = Math.ceil((Math.ceil(support) * 2 + 1) / 4) * 4;
  const start = new Int32Array(outputSize);
  const length = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * stride);
  const exact = new Float64Array(stride);
  for (let out = 0; out < outputSize; out++) {
    const centre = (out + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), inputSize) - first;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const weight = lanczos((i + first - centre + 0.5) * (1 / filterScale));
      exact[i] = weight;
      sum += weight;
    }
    for (let i = 0; i < count; i++) {
      const weight = exact[i] ?? 0;
      weights[out * stride + i] = toFixed(sum === 0 ? weight : weight / sum);
    }
    start[out] = first;
    length[out] = count;
  }
  return { start, length, weights, stride };
}
