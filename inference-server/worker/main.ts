import { messageOf, RequestError, UsageError } from '../../foundation/errors.ts';
import { allowOnlyNeededLoaders } from '../imaging/decode.ts';
import { type Marks, openMarks } from '../imaging/marks.ts';
import type { MarksConfig } from '../imaging/marks-config.ts';
import { memoryOfProcess } from './memory.ts';
import {
  type FromModelProcess,
  type JobTimings,
  type LoadOrder,
  type Order,
  type Output,
  toModelProcess,
} from './protocol.ts';
import { removeBackground, warmUp } from './run.ts';
import { zerosFor } from './tensors.ts';
import { type LoadedModel, loadModel, UnusableModelError } from './session.ts';
import { dieWithParent } from './watchdog.ts';

/**
 * A model process: it loads one model, and then does one job at a time. Its parent talks to it, kills it when a job
 * takes too long, and starts another.
 */

if (process.send === undefined)
  throw new UsageError('This is a part of the inference server, which starts it itself.');
let model: LoadedModel | undefined;
let maxPixels = 0;
let marks: Marks = {};

function send(message: FromModelProcess): void {
  process.send?.(message);
}

async function load(order: unknown): Promise<void> {
  const message = toModelProcess.parse(order);
  if (message.type !== 'load') throw new Error('the first message must say what to load');
  const started = performance.now();
  try {
    maxPixels = message.maxPixels;
    marks = await marksOf(message.marks);
    const loaded = await loadModel(message);
    if (loaded.remover === undefined) await warmUpTensors(loaded);
    else await warmUp(loaded.remover, message.model.name);
    const placement = await placementAsAsked(loaded, message);
    model = loaded;
    const { inputs, outputs } = loaded;
    const loadMs = performance.now() - started;
    send({ type: 'ready', loadMs, placement, inputs, outputs, ...memoryOfProcess() });
  } catch (error) {
    if (!(error instanceof UnusableModelError)) throw error;
    send({ type: 'unusable', code: error.code, message: error.message, permanent: error.permanent });
  }
}

/** @throws UnusableModelError: no picture may be given out without the marks that it should carry. */
async function marksOf(config: MarksConfig): Promise<Marks> {
  return openMarks(config).catch((error: unknown) => {
    const message = `The marks of the configuration cannot be used: ${messageOf(error)}`;
    throw new UnusableModelError('marks_unusable', message, true);
  });
}

/** With zeros, and 1 for sizes that may vary. A graph that does not take those is warm after its first job. */
async function warmUpTensors(loaded: LoadedModel): Promise<void> {
  const inputs = zerosFor(loaded.inputs);
  if (inputs === undefined) return;
  const timings = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };
  await loaded.run({ kind: 'tensors', inputs }, timings).catch(() => undefined);
}

const PROVIDERS = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  tensorrt: 'TensorrtExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
};

/** @throws UnusableModelError when not one node ran where it should have. */
async function placementAsAsked(
  loaded: LoadedModel,
  { model: { name }, executionProvider }: LoadOrder,
): Promise<Record<string, number> | undefined> {
  const placement = await loaded.placement();
  if (placement === undefined || placement[PROVIDERS[executionProvider]] !== undefined) return placement;
  const places = Object.entries(placement).map(([provider, nodes]) => `${nodes} on ${provider}`);
  throw new UnusableModelError(
    'model_on_other_provider',
    `${name} was to run on ${executionProvider}, and none of its nodes did: ${places.join(', ') || 'it ran nowhere'}.`,
    false,
  );
}

async function work(loaded: LoadedModel, order: Order, timings: JobTimings): Promise<Output> {
  if (order.kind === 'tensors') return loaded.run(order, timings);
  if (loaded.remover === undefined)
    throw new RequestError(422, 'task_unsupported', 'This model takes tensors, not pictures.');
  const options = { ...order.options, maxPixels, marks };
  const bytes = await removeBackground(loaded.remover, order.bytes, options, timings);
  return { kind: 'background-removal', bytes };
}

async function run(loaded: LoadedModel, value: unknown): Promise<void> {
  const message = toModelProcess.parse(value);
  if (message.type !== 'run') throw new Error('a model process loads once');
  const { job, order } = message;
  const timings: JobTimings = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };
  try {
    const output = await work(loaded, order, timings);
    send({ type: 'done', job, output, timings, ...memoryOfProcess() });
  } catch (error) {
    const { status, code, message: sentence } = refusal(error);
    send({ type: 'refused', job, status, code, message: sentence, timings, ...memoryOfProcess() });
  }
}

function refusal(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  return new RequestError(
    500,
    'model_run_failed',
    `The model failed on this input: ${messageOf(error)}. Try another one; if it stays, tell your administrator.`,
  );
}

allowOnlyNeededLoaders();
dieWithParent();
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group: the parent decides when its model processes end.
process.on('SIGINT', () => undefined);
process.on('message', (order) => {
  void (model === undefined ? load(order) : run(model, order));
});
