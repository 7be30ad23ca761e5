import { messageOf, RequestError, UsageError } from '../../foundation/errors.ts';
import { allowOnlyNeededLoaders } from '../imaging/decode.ts';
import { type Marks, openMarks } from '../imaging/marks.ts';
import type { MarksConfig } from '../imaging/marks-config.ts';
import { type FromModelProcess, type JobTimings, toModelProcess } from './protocol.ts';
import { removeBackground, warmUp } from './run.ts';
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
    await warmUp(loaded, message.model.name);
    model = loaded;
    send({ type: 'ready', loadMs: performance.now() - started });
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

async function run(loaded: LoadedModel, order: unknown): Promise<void> {
  const message = toModelProcess.parse(order);
  if (message.type !== 'run') throw new Error('a model process loads once');
  const { job, bytes, options } = message;
  const timings: JobTimings = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };
  try {
    const result = await removeBackground(loaded, bytes, { ...options, maxPixels, marks }, timings);
    send({ type: 'done', job, bytes: result, timings });
  } catch (error) {
    const { status, code, message: sentence } = refusal(error);
    send({ type: 'refused', job, status, code, message: sentence, timings });
  }
}

function refusal(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  return new RequestError(
    500,
    'model_run_failed',
    `The model failed on this picture: ${messageOf(error)}. Try another picture; if it stays, tell your administrator.`,
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
