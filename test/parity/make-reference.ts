import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { pythonEnvironment, type PythonEnvironment } from '../support/python.ts';

const usage = `Usage: node test/parity/make-reference.ts [NAME=MODEL.onnx …]

Makes the photographs, test/parity/reference/functions.json and, with models, what rembg gives for each photograph.
The committed reference was made with: medium=MEDIUM.onnx small=SMALL.onnx (see test/parity/README.md).`;

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const reference = path('./reference/');
const photos = [
  '../../examples/photos/astronaut.jpg',
  './photos/astronaut-turned.jpg',
  './photos/astronaut-alpha.png',
];

/** Runs a script of this folder; gives what it printed. Its standard error goes to ours. */
async function script(
  environment: PythonEnvironment,
  name: string,
  options: { args?: string[]; input?: unknown } = {},
): Promise<string> {
  const child = spawn(environment.python, [path(name), ...(options.args ?? [])], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment.variables },
  });
  child.stdin.end(options.input === undefined ? '' : JSON.stringify(options.input));
  const ended = new Promise<number | null>((resolveCode, reject) => {
    child.once('error', reject);
    child.once('close', resolveCode);
  });
  const [printed, code] = await Promise.all([text(child.stdout), ended]);
  if (code !== 0) throw new Error(`${name} failed; see its message above.`);
  return printed;
}

/** In the repository's own format, so that making it anew changes only what changed. */
async function writeJson(file: string, json: string): Promise<void> {
  const options = await resolveConfig(file);
  await writeFile(file, await format(json, { ...options, parser: 'json' }));
}

function modelsOf(args: string[]): Record<string, string> {
  const models: Record<string, string> = {};
  for (const argument of args) {
    const [, name, file] = /^([a-z0-9-]+)=(.+)$/.exec(argument) ?? [];
    if (name === undefined || file === undefined)
      throw new Error(`${argument} is not NAME=MODEL.onnx.\n${usage}`);
    models[name] = resolve(file);
  }
  return models;
}

async function main(args: string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage);
    return;
  }
  const models = modelsOf(args);
  const environment = await pythonEnvironment('rembg');
  await mkdir(reference, { recursive: true });
  await mkdir(path('./photos/'), { recursive: true });
  await script(environment, 'make_photos.py', { args: [path('../../examples/photos/'), path('./photos/')] });
  await writeJson(path('./reference/functions.json'), await script(environment, 'make_functions.py'));
  await writeJson(path('./reference/removal.json'), await script(environment, 'make_removal.py'));
  console.log('made the photographs, functions.json and removal.json');
  if (Object.keys(models).length === 0) return;
  const input = {
    photos: photos.map(path),
    models,
    output: reference,
    command: `node test/parity/make-reference.ts ${Object.keys(models)
      .map((name) => `${name}=${name.toUpperCase()}.onnx`)
      .join(' ')}`,
  };
  await writeJson(
    path('./reference/reference.json'),
    await script(environment, 'make_reference.py', { input }),
  );
  console.log('made reference.json and its pictures');
}

await main(process.argv.slice(2));
