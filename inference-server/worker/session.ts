import type { InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-node';
import { messageOf } from '../../foundation/errors.ts';
import { type BackgroundRemoval, toInput } from '../pipelines/background-removal.ts';
import { assertClass, toMasks } from '../pipelines/class-masks.ts';
import type { Raster } from '../imaging/resample.ts';
import { watchPlacement } from './placement.ts';
import type { JobTimings, LoadOrder, Output, TensorSpec } from './protocol.ts';
import { feedsOf, outputsOf, specsOf } from './tensors.ts';
import { mismatchOf } from './verify.ts';

/** Why a model cannot be served. */
export class UnusableModelError extends Error {
  readonly code: string;
  readonly permanent: boolean;

  constructor(code: string, message: string, permanent: boolean) {
    super(message);
    this.code = code;
    this.permanent = permanent;
  }
}

export interface BackgroundRemover {
  pipeline: BackgroundRemoval;
  /**
   * The masks of a picture, of the picture's size: one, or those of a model with classes that were chosen.
   * @throws RequestError `class_unknown`.
   */
  masks(
    picture: Raster,
    classes: string | undefined,
  ): Promise<{ masks: Uint8Array[]; runStartedAt: number; inferenceMs: number }>;
}

export interface LoadedModel {
  inputs: TensorSpec[];
  outputs: TensorSpec[];
  /** Of a background-removal model only. */
  remover: BackgroundRemover | undefined;
  /** Any graph. @throws RequestError about its inputs. */
  run(order: TensorOrder, timings: JobTimings): Promise<Output>;
  /** On what its nodes ran so far, by provider; undefined on the CPU, where it is plain. */
  placement(): Promise<Record<string, number> | undefined>;
}

type TensorOrder = Parameters<typeof feedsOf>[0];

/** Verifies the files, and only then loads the first. @throws UnusableModelError */
export async function loadModel(order: LoadOrder): Promise<LoadedModel> {
  const { model, executionProvider } = order;
  const [file] = model.files;
  if (file === undefined)
    throw new UnusableModelError('model_without_file', `${model.name} has no file.`, true);
  for (const each of model.files) await verify(model.name, each);
  // On Node 24 ONNX Runtime takes no 16-bit floats while this exists; without it they are the bits themselves.
  Reflect.deleteProperty(globalThis, 'Float16Array');
  // Imported here, so that nothing of a file that failed its check is ever near the runtime.
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const placement = executionProvider === 'cpu' ? undefined : await watchPlacement();
  const session = await InferenceSession.create(file.path, {
    ...sessionOptions(order),
    ...placement?.options,
  }).catch((error: unknown) => {
    throw new UnusableModelError(
      'model_not_loaded',
      `${model.name} could not be loaded with the execution provider ${executionProvider}: ${messageOf(error)}`,
      false,
    );
  });
  const inputs = specsOf(session.inputMetadata);
  const outputs = specsOf(session.outputMetadata);
  if (inputs === undefined || outputs === undefined)
    throw new UnusableModelError(
      'model_not_fitting',
      `${model.name} takes or gives something that is no tensor of a type that can be passed.`,
      true,
    );
  return {
    inputs,
    outputs,
    remover:
      model.task === 'background-removal'
        ? removerOf(model.name, session, { pipeline: model.pipeline, Tensor })
        : undefined,
    async run(work, timings) {
      const started = performance.now();
      const make = (type: Tensor.Type, data: Tensor.DataType, shape: number[]): Tensor =>
        new Tensor(type, data, shape);
      const { feeds, fetches } = feedsOf(work, { inputs, outputs }, make);
      const begun = performance.now();
      timings.preprocessMs = begun - started;
      const results = await session.run(feeds, fetches);
      const ended = performance.now();
      timings.inferenceMs = ended - begun;
      const output = outputsOf(results, fetches);
      timings.postprocessMs = performance.now() - ended;
      return output;
    },
    async placement() {
      if (placement === undefined) return undefined;
      session.endProfiling();
      return placement.read();
    },
  };
}

function removerOf(
  name: string,
  session: InferenceSession,
  { pipeline, Tensor: make }: { pipeline: BackgroundRemoval; Tensor: TensorConstructor },
): BackgroundRemover {
  const { input, output } = ports(name, session, pipeline);
  const { width, height } = pipeline.size;

  const data = new Float32Array(3 * width * height);
  const feed = new make('float32', data, [1, 3, height, width]);

  async function run(): Promise<Float32Array> {
    const results = await session.run({ [input]: feed }, [output]);
    return float32(results[output], width * height);
  }

  return {
    pipeline,
    async masks(picture, classes) {
      assertClass(name, pipeline, classes);
      toInput(picture, pipeline, data);
      const started = performance.now();
      const result = await run();
      const finished = performance.now();
      return {
        masks: toMasks(result, pipeline, picture, classes),
        runStartedAt: started,
        inferenceMs: finished - started,
      };
    },
  };
}

async function verify(name: string, file: { path: string; sha256: string; size: number }): Promise<void> {
  let mismatch: string | undefined;
  try {
    mismatch = await mismatchOf(file);
  } catch (error) {
    throw new UnusableModelError(
      'model_file_unreadable',
      `A file of ${name} cannot be read: ${messageOf(error)}`,
      false,
    );
  }
  if (mismatch !== undefined)
    throw new UnusableModelError(
      'model_digest_mismatch',
      `${file.path} of ${name} is not the file of its manifest: ${mismatch}. It was not loaded; fetch it again.`,
      true,
    );
}

function sessionOptions(order: LoadOrder): InferenceSession.SessionOptions {
  // Spinning threads would burn whole cores between two requests, for no gain in latency.
  const spinningOff = { allow_spinning: '0' };
  return {
    // Exactly the provider asked for: a silent fall back to the CPU would be a hundred times slower unnoticed.
    executionProviders: [order.executionProvider],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: order.threads,
    interOpNumThreads: 1,
    // A pattern of the first run is laid out in a second block beside what that run took: 40 % more memory, no faster.
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: { session: { intra_op: spinningOff, inter_op: spinningOff } },
  };
}

function ports(
  name: string,
  session: InferenceSession,
  pipeline: BackgroundRemoval,
): { input: string; output: string } {
  const [input] = session.inputMetadata;
  const output = session.outputNames[0];
  const { width, height } = pipeline.size;
  const wanted = [1, 3, height, width];
  if (input === undefined || output === undefined || !input.isTensor)
    throw new UnusableModelError('model_not_fitting', `${name} has no tensor as input and output.`, true);
  const fits =
    input.type === 'float32' &&
    input.shape.length === wanted.length &&
    input.shape.every((size, axis) => typeof size === 'string' || size === wanted[axis]);
  if (!fits)
    throw new UnusableModelError(
      'model_not_fitting',
      `The input ${input.name} of ${name} is ${input.type} [${input.shape.join(', ')}]; its pipeline needs float32 [${wanted.join(', ')}].`,
      true,
    );
  return { input: input.name, output };
}

function float32(tensor: Tensor | undefined, pixels: number): Float32Array {
  const data = tensor?.data;
  if (!(data instanceof Float32Array) || data.length < pixels)
    throw new RangeError(
      `the first output is ${tensor?.type ?? 'missing'} [${tensor?.dims.join(', ') ?? ''}]; its pipeline needs float32 with ${pixels} values`,
    );
  return data;
}
