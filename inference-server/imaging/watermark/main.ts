import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../../../foundation/errors.ts';
import { allowOnlyNeededLoaders, decode } from '../decode.ts';
import { encode } from '../encode.ts';
import { createWatermark, type Watermark } from './watermark.ts';

const HELP = `Reads the invisible watermark of a picture, or puts one in.

Usage: npm run watermark -- read FILE --key-file KEY [--owner ID]...
       npm run watermark -- mark FILE OUTPUT.png --key-file KEY --owner ID

  --key-file KEY  the secret of the watermark: at least 16 bytes, read as they are
  --owner ID      read: an owner to compare with, may be given several times. mark: whose picture it is

Exit codes of read: 0 there is a mark (of one of the owners, if any are given), 1 there is none, or another's;
2 wrong option or unreadable file.`;

const MAX_PIXELS = 100_000_000;

class UsageMistake extends Error {}

async function read(watermark: Watermark, file: string, owners: string[]): Promise<number> {
  const tag = watermark.read(await decode(await readFile(file), 'srgb', MAX_PIXELS));
  if (tag === undefined) {
    process.stdout.write('no mark of this key\n');
    return 1;
  }
  const owner = owners.find((candidate) => watermark.tagOf(candidate) === tag);
  process.stdout.write(`${tag}${owner === undefined ? '' : ` ${owner}`}\n`);
  return owners.length === 0 || owner !== undefined ? 0 : 1;
}

async function mark(watermark: Watermark, file: string, output: string, owner: string): Promise<number> {
  const picture = await decode(await readFile(file), 'srgb', MAX_PIXELS);
  if (!watermark.embed(picture, owner))
    throw new Error(`${file} cannot carry a mark: a side is below 256 pixels, or too little of it is opaque`);
  await writeFile(output, await encode(picture, 'png'));
  process.stdout.write(`${watermark.tagOf(owner)} ${owner}\n`);
  return 0;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'key-file': { type: 'string' },
      owner: { type: 'string', multiple: true },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [verb, file, output] = positionals;
  const { 'key-file': keyFile, owner: owners = [] } = values;
  if (values.help === true || file === undefined || keyFile === undefined) throw new UsageMistake(HELP);
  const watermark = createWatermark(await readFile(keyFile));
  const [owner] = owners;
  if (verb === 'read' && output === undefined) return read(watermark, file, owners);
  if (verb === 'mark' && output !== undefined && owner !== undefined)
    return mark(watermark, file, output, owner);
  throw new UsageMistake(HELP);
}

allowOnlyNeededLoaders();
process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  return 2;
});
