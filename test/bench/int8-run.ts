import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from 'zod';
import { decode } from '../../inference-server/imaging/decode.ts';
import { backgroundRemoval } from '../../inference-server/config.ts';
import { toInput, toMask } from '../../inference-server/pipelines/background-removal.ts';

/** A process of its own for one model file, so that its peak memory is that file's: forked by int8.ts. */
export const runOrder = z.object({
  model: z.string(),
  photos: z.array(z.string()),
  threads: z.int(),
  repeats: z.int(),
  pipeline: backgroundRemoval,
});
export type RunOrder = z.infer<typeof runOrder>;

export const runResult = z.object({
  loadMs: z.number(),
  runMs: z.array(z.number()),
  peakMiB: z.number(),
  masks: z.array(z.instanceof(Uint8Array<ArrayBufferLike>)),
});
export type RunResult = z.infer<typeof runResult>;

async function peakMiB(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}

async function run({ model, photos, threads, repeats, pipeline }: RunOrder): Promise<RunResult> {
  const { width, height } = pipeline.size;
  const started = performance.now();
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const result: RunResult = { loadMs: performance.now() - started, runMs: [], peakMiB: 0, masks: [] };
  const [input, output] = [session.inputNames[0] ?? '', session.outputNames[0] ?? ''];
  for (const photo of photos) {
    const picture = await decode(await readFile(photo), 'as-stored', 50_000_000);
    const feed = { [input]: new Tensor('float32', toInput(picture, pipeline), [1, 3, height, width]) };
    let values = new Float32Array(0);
    // One run more than counted: the first of a session also allots its memory.
    for (let i = result.runMs.length === 0 ? -1 : 0; i < repeats; i++) {
      const begun = performance.now();
      const data = (await session.run(feed, [output]))[output]?.data;
      if (i >= 0) result.runMs.push(performance.now() - begun);
      if (data instanceof Float32Array) values = Float32Array.from(data);
    }
    result.masks.push(toMask(values, pipeline, { width, height }));
  }
  result.peakMiB = await peakMiB();
  return result;
}

async function answer(order: unknown): Promise<void> {
  const result = await run(runOrder.parse(order));
  process.send?.(result, () => {
    process.disconnect();
  });
}

if (process.send !== undefined)
  process.once('message', (order) => {
    void answer(order);
  });
