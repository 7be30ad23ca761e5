import { messageOf } from '../../foundation/errors.ts';
import { cutOut, putBehind } from '../imaging/composite.ts';
import { decode } from '../imaging/decode.ts';
import { assertEncodable, encode } from '../imaging/encode.ts';
import { finish } from '../imaging/finish.ts';
import type { Marks } from '../imaging/marks.ts';
import type { Raster } from '../imaging/resample.ts';
import { toInput, toMask } from '../pipelines/background-removal.ts';
import { smoothMask } from '../pipelines/mask-smoothing.ts';
import type { JobOptions, JobTimings } from './protocol.ts';
import { type LoadedModel, UnusableModelError } from './session.ts';

/** Encoded picture in, encoded picture out; `timings` is filled as far as the work gets. */
export async function removeBackground(
  model: LoadedModel,
  bytes: Uint8Array,
  options: JobOptions & { maxPixels: number; marks: Marks },
  timings: JobTimings,
): Promise<Uint8Array> {
  const started = performance.now();
  const picture = await decode(bytes, options.colours, options.maxPixels);
  assertEncodable(picture, options.format);
  const { mask, runStartedAt, inferenceMs } = await model.mask(picture);
  timings.preprocessMs = runStartedAt - started;
  timings.inferenceMs = inferenceMs;
  const marks = options.output === 'mask' ? {} : options.marks;
  const result = await finish(compose(picture, mask, options), { ...options, ...marks });
  timings.postprocessMs = performance.now() - runStartedAt - inferenceMs;
  return result;
}

/** Calls after which the loops over pixels are compiled. */
const WARM_UP_CALLS = 5;

/**
 * Runs everything at the model's own size, so that the first request does not wait for memory and compilation.
 * @throws UnusableModelError
 */
export async function warmUp(model: LoadedModel, name: string): Promise<void> {
  const { width, height } = model.pipeline.size;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => i & 255);
  const picture: Raster = { data, width, height, channels: 3 };
  try {
    await model.mask(picture);
    for (let i = 0; i < WARM_UP_CALLS; i++) {
      const input = toInput(picture, model.pipeline);
      const mask = toMask(input.subarray(0, width * height), model.pipeline, picture);
      await encode(cutOut(picture, mask, 'premultiplied'), 'png');
    }
  } catch (error) {
    const message = `${name} was loaded, but its first run failed: ${messageOf(error)}`;
    throw new UnusableModelError('model_warm_up_failed', message, false);
  }
}

function compose(picture: Raster, rawMask: Uint8Array, options: JobOptions): Raster {
  const { width, height } = picture;
  const mask = options.smoothMask ? smoothMask(rawMask, width, height) : rawMask;
  if (options.output === 'mask') return { data: mask, width, height, channels: 1 };
  const result = cutOut(picture, mask, options.alpha);
  if (options.background !== undefined) putBehind(result, options.background);
  return result;
}
