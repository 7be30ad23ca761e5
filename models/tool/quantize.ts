import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { pythonEnvironmentOf } from './python.ts';

const HELP = `Makes a static 8-bit variant (QDQ, per channel) of an ONNX model, and its manifest.

Usage: npm run quantize -- MODEL.onnx --manifest MODEL.yaml --photos FOLDER [options]

  --manifest FILE       the manifest of the model, for its pipeline, its licence and its name
  --photos PATH         a photo, or a folder of photos, to calibrate with; may be given several times.
                        Take twenty or more like those that will be served
  --output FILE         where the result goes (default: MODEL-qdq.onnx in the working folder)
  --calibration METHOD  average (default): the mean of each photo's range, so that one photo does not stretch it for
                        all; or minmax: the widest range
  --keep PATTERN        leaves nodes whose name matches in 32 bits; may be given several times
  --float32 FILE        also writes the 32-bit form that it was made from

The first output of the model is kept, the others go with what only they need. Nothing is loaded over the network but
the Python packages of models/tool/quantize.txt, at first use. Exit codes: 0 made, 1 failed, 2 wrong option.`;

const manifest = z.object({
  apiVersion: z.string(),
  kind: z.enum(['ClusterImageModel', 'ImageModel']),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    displayName: z.string().optional(),
    task: z.string(),
    family: z.string(),
    license: z.looseObject({}),
    pipeline: z.looseObject({
      size: z.object({ width: z.int(), height: z.int() }),
      mean: z.array(z.number()).length(3),
      std: z.array(z.number()).length(3),
    }),
  }),
});
type Manifest = z.infer<typeof manifest>;

const summary = z.object({
  widenedTensors: z.int(),
  prunedNodes: z.int(),
  keptInFloat: z.array(z.string()),
  photos: z.int(),
  operators: z.record(z.string(), z.int()),
  bytes: z.int(),
  seconds: z.number(),
});
export type QuantizeSummary = z.infer<typeof summary>;

export interface QuantizeOrder {
  model: string;
  output: string;
  float32: string | null;
  photos: string[];
  calibration: 'average' | 'minmax';
  keep: string[];
  pipeline: Pick<Manifest['spec']['pipeline'], 'size' | 'mean' | 'std'>;
}

const PHOTO = new Set(['.jpg', '.jpeg', '.png', '.webp']);

function isPhoto(path: string): boolean {
  return PHOTO.has(extname(path).toLowerCase());
}

/** The photos that paths name, those of folders in the order of their names. */
async function photosOf(paths: string[]): Promise<string[]> {
  const named = await Promise.all(
    paths.map(async (path) => {
      if (isPhoto(path)) return [resolve(path)];
      const names = (await readdir(path)).filter(isPhoto).sort();
      return names.map((name) => resolve(path, name));
    }),
  );
  return named.flat();
}

/** Runs the quantiser. @throws Error with what it printed when it fails. */
export async function quantize(order: QuantizeOrder): Promise<QuantizeSummary> {
  const { python, variables } = await pythonEnvironmentOf(
    fileURLToPath(new URL('quantize.txt', import.meta.url)),
  );
  const script = fileURLToPath(new URL('quantize.py', import.meta.url));
  const child = spawn(python, ['-W', 'ignore', script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...variables },
  });
  let [out, log] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
  child.stdin.end(JSON.stringify(order));
  const code = await new Promise<number | null>((done, fail) =>
    child.once('error', fail).once('close', done),
  );
  if (code !== 0) throw new Error(`The quantiser ended with ${String(code)}:\n${log}`);
  return summary.parse(JSON.parse(out));
}

/** The manifest of the variant: everything as in the original but its name, its file and its precision. */
function manifestOf(original: Manifest, file: { path: string; sha256: string; size: number }): unknown {
  const { metadata, spec } = original;
  return {
    ...original,
    metadata: { ...metadata, name: `${metadata.name}-qdq` },
    spec: {
      ...spec,
      displayName: `${spec.displayName ?? metadata.name}, static int8`,
      files: [
        { name: 'model.onnx', source: `file:${resolve(file.path)}`, sha256: file.sha256, size: file.size },
      ],
      precision: 'int8',
    },
  };
}

async function main(): Promise<void> {
  const string = { type: 'string' } as const;
  const strings = { ...string, multiple: true } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      manifest: string,
      photos: strings,
      output: string,
      calibration: string,
      keep: strings,
      float32: string,
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [model, ...more] = positionals;
  const { calibration = 'average' } = values;
  if (values.help === true || model === undefined || more.length > 0 || values.manifest === undefined)
    throw new UsageMistake(HELP);
  if (calibration !== 'average' && calibration !== 'minmax') throw new UsageMistake(HELP);
  const photos = await photosOf(values.photos ?? []);
  if (photos.length === 0) throw new UsageMistake(`There is no photo to calibrate with.\n\n${HELP}`);
  const described = manifest.parse(parse(await readFile(values.manifest, 'utf8')));
  const output = resolve(values.output ?? `${basename(model, extname(model))}-qdq.onnx`);
  const { size, mean, std } = described.spec.pipeline;
  const made = await quantize({
    model: resolve(model),
    output,
    float32: values.float32 === undefined ? null : resolve(values.float32),
    photos,
    calibration,
    keep: values.keep ?? [],
    pipeline: { size, mean, std },
  });
  const sha256 = createHash('sha256')
    .update(await readFile(output))
    .digest('hex');
  const beside = join(output, '..', `${basename(output, extname(output))}.yaml`);
  await writeFile(beside, stringify(manifestOf(described, { path: output, sha256, size: made.bytes })));
  console.log(`${output}: ${made.bytes} bytes, sha256 ${sha256}`);
  console.log(`calibrated with ${made.photos} photos in ${made.seconds} s; its manifest is ${beside}`);
}

class UsageMistake extends Error {}

if (import.meta.main)
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof UsageMistake || error instanceof TypeError ? 2 : 1;
  });
