import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCrds } from '../../crds/crd.ts';
import { createValidator } from '../../crds/validation.ts';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { createTerminal, type Terminal } from '../../standalone/console.ts';
import { defaultFolders } from '../../standalone/options.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { pin } from './pin.ts';
import { list, verify } from './verify.ts';

const CATALOGUE = fileURLToPath(new URL('../', import.meta.url));
const cache =
  process.env['IMAGEPLANE_CACHE'] ??
  defaultFolders({ env: process.env, root: process.getuid?.() === 0 }).cache;

const HELP = `The catalogue of models: what there is, and the digests by which its files are known.

Usage: npm run models -- COMMAND [FILE.yaml …] [options]

  pin FILE.yaml     Fetches each file that has no sha256, shows its digest, size and licence, asks, and records them in
                    the manifest. A file without a sha256 is never loaded.
  list [FILE …]     The models, their licences, and whether their files are pinned and fetched. Default: the catalogue.
  verify [FILE …]   Hashes every fetched file anew and says which are intact.

  --accept SHA256   For pin, instead of asking: records only a file with this digest. May be given several times.
  --licence SPDX    With --accept: accepts the licence of weights that need it, such as those not for commercial use.
  --cache-dir DIR   Where files are kept. Default: IMAGEPLANE_CACHE, else ${cache}.
  -h, --help        This text.

Exit codes: 0 done, 1 not done (refused, damaged, or not to be had), 2 something to correct in the command or manifest.
`;

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        accept: { type: 'string', multiple: true },
        licence: { type: 'string' },
        'cache-dir': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\nnpm run models -- --help says what there is.`);
  }
}

async function catalogue(): Promise<string[]> {
  const names = (await readdir(CATALOGUE)).filter((name) => name.endsWith('.yaml')).sort();
  return names.map((name) => join(CATALOGUE, name));
}

async function manifestsOf(paths: readonly string[]): Promise<Manifest[]> {
  const validate = createValidator(await readCrds());
  const manifests: Manifest[] = [];
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      throw new UsageError(`${path} cannot be read: ${messageOf(error)}`);
    });
    manifests.push(readManifest(path, text, validate));
  }
  return manifests;
}

/** Whether all went well. */
async function run(argv: string[], terminal: Terminal, signal: AbortSignal): Promise<boolean> {
  const { values, positionals } = parse(argv);
  const [command, ...paths] = positionals;
  if (values.help === true || command === undefined) {
    process.stdout.write(HELP);
    return values.help === true;
  }
  const store = join(values['cache-dir'] ?? cache, 'models');
  if (command === 'pin') {
    if (paths.length === 0)
      throw new UsageError('pin needs the FILE.yaml of a model, such as models/u2net.yaml.');
    const digests = (values.accept ?? []).map(digestGiven);
    const accepted = { digests, licence: values.licence };
    const ask = process.stdin.isTTY ? (question: string) => askPerson(question, signal) : undefined;
    let fine = true;
    for (const manifest of await manifestsOf(paths))
      fine =
        (await pin(manifest, { store, terminal, accepted, ask, signal, now: Date.now })) !== 'refused' &&
        fine;
    return fine;
  }
  const manifests = await manifestsOf(paths.length === 0 ? await catalogue() : paths);
  if (command === 'verify') return verify(manifests, store, terminal);
  if (command !== 'list')
    throw new UsageError(`There is no command ${command}; there are pin, list and verify.`);
  await list(manifests, store, terminal);
  return true;
}

function digestGiven(text: string): string {
  const digest = text.toLowerCase().replace(/^sha256:/, '');
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw new UsageError(`--accept ${text}: a sha256 has 64 hexadecimal digits.`);
  return digest;
}

async function askPerson(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question, { signal });
  } finally {
    lines.close();
  }
}

const interrupted = new AbortController();
process.once('SIGINT', () => {
  interrupted.abort(new Error('interrupted'));
});
const terminal = createTerminal({
  write: (text) => process.stdout.write(text),
  columns: () => (process.stdout.isTTY ? process.stdout.columns : undefined),
  now: Date.now,
  debug: false,
});
try {
  process.exitCode = (await run(process.argv.slice(2), terminal, interrupted.signal)) ? 0 : 1;
} catch (error) {
  terminal.endProgress();
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
