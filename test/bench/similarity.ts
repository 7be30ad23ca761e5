import type { Raster } from '../../inference-server/imaging/resample.ts';

const WINDOW = 8;
const STEP = 4;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

function luma({ data, channels }: Raster, pixel: number): number {
  const at = pixel * channels;
  return 0.299 * (data[at] as number) + 0.587 * (data[at + 1] as number) + 0.114 * (data[at + 2] as number);
}

/** SSIM of brightness (Wang et al., IEEE Transactions on Image Processing 13(4), 2004) over windows of 8 by 8. */
export function structuralSimilarity(a: Raster, b: Raster): number {
  let sum = 0;
  let count = 0;
  for (let y = 0; y + WINDOW <= a.height; y += STEP)
    for (let x = 0; x + WINDOW <= a.width; x += STEP) {
      sum += similarityAt(a, b, y * a.width + x);
      count++;
    }
  return sum / count;
}

function similarityAt(a: Raster, b: Raster, start: number): number {
  const n = WINDOW * WINDOW;
  let [sumA, sumB, squaresA, squaresB, products] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const pixel = start + Math.floor(i / WINDOW) * a.width + (i % WINDOW);
    const [valueA, valueB] = [luma(a, pixel), luma(b, pixel)];
    sumA += valueA;
    sumB += valueB;
    squaresA += valueA * valueA;
    squaresB += valueB * valueB;
    products += valueA * valueB;
  }
  const [meanA, meanB] = [sumA / n, sumB / n];
  const variances = (squaresA + squaresB) / n - meanA ** 2 - meanB ** 2;
  const covariance = products / n - meanA * meanB;
  return (
    ((2 * meanA * meanB + C1) * (2 * covariance + C2)) / ((meanA ** 2 + meanB ** 2 + C1) * (variances + C2))
  );
}
