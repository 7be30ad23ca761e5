import { fork } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { backgroundRemoval } from '../../inference-server/config.ts';
import { quantize } from '../../models/tool/quantize.ts';
import { catalogueModels } from '../support/models.ts';
import { type RunOrder, type RunResult, runResult } from './int8-run.ts';
import { type Photo, withPhotos } from './photos.ts';
import { median } from './report.ts';

const HALF = 'isnet-general-fp16';
const DYNAMIC = 'isnet-general-int8';
/** The error is measured on photographs that calibration has not seen. */
const HELD_OUT = new Set(['astronaut', 'chelsea', 'flower', 'grace_hopper', 'china']);
const ROUNDS = 3;
const REPEATS = 1;

const catalogueModel = z.object({
  pipeline: backgroundRemoval,
  files: z.array(z.object({ path: z.string() })).length(1),
});

interface Variant {
  name: string;
  path: string;
}

/** Runs a model file in a process of its own. */
async function measured(order: RunOrder): Promise<RunResult> {
  const child = fork(fileURLToPath(new URL('int8-run.ts', import.meta.url)), { serialization: 'advanced' });
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  child.once('message', (result) => {
    resolve(runResult.parse(result));
  });
  child.once('exit', (code) => {
    reject(new Error(`${order.model} ended its process with ${String(code)}`));
  });
  child.send(order);
  return promise;
}

/** Each order in every round, so that what else the machine does falls on all of them alike. */
async function inTurn(orders: RunOrder[]): Promise<RunResult[]> {
  let results: RunResult[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const found: RunResult[] = [];
    for (const order of orders) found.push(await measured(order));
    results = found.map((result, index) => {
      const before = results[index];
      return before === undefined ? result : { ...result, runMs: [...before.runMs, ...result.runMs] };
    });
  }
  return results;
}

interface Errors {
  /** Of each photograph, the mean difference of 255. */
  means: number[];
  mean: number;
  worst: number;
  /** Intersection over union of what is more subject than not, the least over the photographs. */
  overlap: number;
}

/** How a variant's masks differ from the reference's: the mean over all, the worst photograph's mean, the overlap. */
function errorsOf(reference: Uint8Array[], masks: Uint8Array[]): Errors {
  const found = reference.map((expected, index) => {
    const mask = masks[index] ?? new Uint8Array(expected.length);
    let [sum, both, either] = [0, 0, 0];
    expected.forEach((value, i) => {
      const other = mask[i] as number;
      sum += Math.abs(value - other);
      if (value > 127 && other > 127) both++;
      if (value > 127 || other > 127) either++;
    });
    return { mean: sum / expected.length, overlap: either === 0 ? 1 : both / either };
  });
  const means = found.map(({ mean }) => mean);
  return {
    means,
    mean: means.reduce((sum, mean) => sum + mean, 0) / means.length,
    worst: Math.max(...means),
    overlap: Math.min(...found.map(({ overlap }) => overlap)),
  };
}

async function row(name: string, path: string, result: RunResult, reference: RunResult): Promise<Errors> {
  const { size } = await stat(path);
  const errors = errorsOf(reference.masks, result.masks);
  const [ms, baseline] = [median(result.runMs), median(reference.runMs)];
  console.log(
    `| ${name} | ${ms.toFixed(0)} ms | ${(baseline / ms).toFixed(2)}× | ${result.loadMs.toFixed(0)} ms | ${result.peakMiB.toFixed(0)} MiB | ` +
      `${(size / 2 ** 20).toFixed(1)} MiB | ${errors.mean.toFixed(2)} | ${errors.worst.toFixed(2)} | ${errors.overlap.toFixed(4)} |`,
  );
  return errors;
}

async function variants(
  photos: Photo[],
  folder: string,
): Promise<{ made: Variant[]; pipeline: RunOrder['pipeline'] }> {
  const [half, dynamic] = z.array(catalogueModel).parse(await catalogueModels(HALF, DYNAMIC));
  if (half === undefined || dynamic === undefined) throw new Error('the catalogue lacks a model');
  const paths = { half: half.files[0]?.path ?? '', dynamic: dynamic.files[0]?.path ?? '' };
  const statically = join(folder, 'static.onnx');
  const full = join(folder, 'float32.onnx');
  const calibration = photos.filter(({ name }) => !HELD_OUT.has(name));
  const {
    photos: count,
    seconds,
    operators,
  } = await quantize({
    model: paths.half,
    output: statically,
    float32: full,
    photos: calibration.map(({ path }) => path),
    calibration: 'average',
    keep: [],
    pipeline: { ...half.pipeline, mean: [...half.pipeline.mean], std: [...half.pipeline.std] },
  });
  console.log(
    `static int8: calibrated with ${count} photographs in ${seconds} s; ${JSON.stringify(operators)}`,
  );
  return {
    pipeline: half.pipeline,
    made: [
      { name: 'fp32 (fp16 weights, widened; first output only)', path: full },
      { name: 'fp16 weights, as fetched', path: paths.half },
      { name: 'dynamic int8, as fetched', path: paths.dynamic },
      { name: 'static int8 (QDQ; first output only)', path: statically },
    ],
  };
}

/** Measures four precisions of IS-Net on the CPU and prints a table in Markdown. It publishes, and promises nothing. */
export async function measureInt8(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-int8-'));
  try {
    await withPhotos(async (photos) => {
      const threads = availableParallelism();
      const { made, pipeline } = await variants(photos, folder);
      const test = photos.filter(({ name }) => HELD_OUT.has(name)).map(({ path }) => path);
      console.log(
        `${threads} threads of ${cpus()[0]?.model ?? 'an unknown processor'}; ${test.length} photographs, ${ROUNDS} rounds in turn`,
      );
      console.log(
        '\n| Precision | Model’s run, median | Beside fp32 | Load | Peak memory | File | Mask error, mean of 255 | Worst photo | Least overlap |\n' +
          '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
      );
      const order = { photos: test, threads, repeats: REPEATS, pipeline };
      const results = await inTurn(made.map(({ path }) => ({ ...order, model: path })));
      const [reference] = results;
      if (reference === undefined) throw new Error('nothing was measured');
      const perPhoto: string[] = [];
      for (const [index, { name, path }] of made.entries()) {
        const result = results[index] ?? reference;
        const errors = await row(name, path, result, reference);
        perPhoto.push(`${name}: ${errors.means.map((mean) => mean.toFixed(2)).join(', ')}`);
      }
      const names = photos.filter(({ name }) => HELD_OUT.has(name)).map(({ name }) => name);
      console.log(`\nMask error of each photograph (${names.join(', ')}):\n  ${perPhoto.join('\n  ')}`);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
