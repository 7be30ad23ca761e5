import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/*
 * A process of its own for one setting of a session: argument 1 is the graph, 2 the session's options as JSON, 3 how
 * many runs. It prints what it held and how long its runs took as JSON.
 */

function held(): { now: number; peak: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (name: string): number =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
}

const [, , path = '', options = '{}', runs = '5'] = process.argv;
const session = await InferenceSession.create(path, JSON.parse(options) as InferenceSession.SessionOptions);
const loaded = held();
const [input] = session.inputNames;
const [output] = session.outputNames;
if (input === undefined || output === undefined) throw new Error('the graph has no input or no output');
const side = 1024;
const data = Float32Array.from({ length: 3 * side * side }, (_, i) => ((i * 7919) % 256) / 255 - 0.5);
const times: number[] = [];
const feeds = { [input]: new Tensor('float32', data, [1, 3, side, side]) };
for (let run = 0; run < Number(runs); run++) {
  const started = performance.now();
  await session.run(feeds, [output]);
  times.push(performance.now() - started);
}
const after = held();
console.log(
  JSON.stringify({ loaded: loaded.now, after: after.now, peak: after.peak, times: times.slice(1) }),
);
process.exit(0);
