import { messageOf } from '../../foundation/errors.ts';
import { cutOut } from '../imaging/composite.ts';
import { decode } from '../imaging/decode.ts';
import { assertEncodable, encode } from '../imaging/encode.ts';
import { finish } from '../imaging/finish.ts';
import type { Marks } from '../imaging/marks.ts';
import type { Raster } from '../imaging/resample.ts';
import { toInput, toMask } from '../pipelines/background-removal.ts';
import { maskCount } from '../pipelines/class-masks.ts';
import { compose } from '../pipelines/compose.ts';
import type { JobOptions, JobTimings } from './protocol.ts';
import { type BackgroundRemover, UnusableModelError } from './session.ts';

/** Encoded picture in, encoded picture out; `timings` is filled as far as the work gets. */
export async function removeBackground(
  model: BackgroundRemover,
  bytes: Uint8Array,
  options: JobOptions & { maxPixels: number; marks: Marks },
  timings: JobTimings,
): Promise<Uint8Array> {
  const started = performance.now();
  const picture = await decode(bytes, options.colours, options.maxPixels);
  const { width, height } = picture;
  // Several masks give several pictures, one above the other.
  const count = maskCount(model.pipeline, options.classes);
  assertEncodable({ width, height: height * count }, options.format);
  const { masks, runStartedAt, inferenceMs } = await model.masks(picture, options.classes);
  timings.preprocessMs = runStartedAt - started;
  timings.inferenceMs = inferenceMs;
  const marks = options.output === 'mask' ? {} : options.marks;
  const result = await finish(compose(picture, masks, options), { ...options, ...marks });
  timings.postprocessMs = performance.now() - runStartedAt - inferenceMs;
  return result;
}

/** Calls after which the loops over pixels are compiled. */
const WARM_UP_CALLS = 5;

/**
 * Runs everything at the model's own size, so that the first request does not wait for memory and compilation.
 * @throws UnusableModelError
 */
export async function warmUp(model: BackgroundRemover, name: string): Promise<void> {
  const { width, height } = model.pipeline.size;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => i & 255);
  const picture: Raster = { data, width, height, channels: 3 };
  try {
    await model.masks(picture, undefined);
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
