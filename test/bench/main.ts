import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { catalogueModels } from '../support/models.ts';
import { measureDecisions, measureProxy } from './control-plane.ts';
import { runOnGpu, NO_GPU_EXIT_CODE } from './gpu.ts';
import { measureInt8 } from './int8.ts';
import { measureMemory } from './memory.ts';
import { measurePictures } from './pictures.ts';
import { measureProduct, photoOf } from './product.ts';
import { againstRembg } from './rembg.ts';
import { conclude, mib } from './report.ts';
import { measureWatermark } from './watermark.ts';

const MODEL = 'isnet-general-fp16';
const PARTS = [
  'product',
  'proxy',
  'decide',
  'rembg',
  'memory',
  'pictures',
  'watermark',
  'int8',
  'gpu',
] as const;
type Part = (typeof PARTS)[number];

const HELP = `Measures what Imageplane costs on this machine, and says whether each bar is met.

Usage: npm run bench [-- PART …] [-- OPTIONS]

  product   the inference server alone and behind the gateway, and whether it grows
  proxy     CPU time of the gateway for each request, with everything on, beside its own proxy with no checks;
            and its memory over 100,000 requests
  decide    one decision at 200 custom roles and 2,000 grants, beside a naive one and at ten times the grants
  rembg     rembg's own server and ours in turn, each with its best thread setting (half an hour on two cores)
  memory    what one session holds and how fast it is, by the settings that bear on memory: a table
  pictures  what stands around the model, part by part: a table
  watermark the invisible watermark: what it survives, and how faint it is
  int8      fp32, fp16, dynamic and static int8 of one model, side by side: a table
  gpu       "rembg" on a GPU, with --provider; what needs one is not run without it

Without a part: product, proxy, decide and rembg.

  --requests N         cut-outs of 1024 by 1024 in each way of "product" (default 15)
  --pairs N            how often both servers are measured in turn (default 5)
  --memory-requests N  while the memory of the whole server is watched (default 500)
  --provider NAME      of "gpu": cuda (default), tensorrt or webgpu

Exit codes: 0 all bars met, 1 one or more missed, 2 wrong option, ${NO_GPU_EXIT_CODE} no such GPU. Run it on a machine that does
nothing else.`;

interface Options {
  parts: Part[];
  requests: number;
  pairs: number;
  memoryRequests: number;
  provider: string;
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be a whole number above 0`);
  return value;
}

function options(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      requests: { type: 'string', default: '15' },
      pairs: { type: 'string', default: '5' },
      'memory-requests': { type: 'string', default: '500' },
      provider: { type: 'string', default: 'cuda' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const parts = positionals.map((name) => {
    const part = PARTS.find((candidate) => candidate === name);
    if (part === undefined) throw new Error(`there is no part ${name}`);
    return part;
  });
  return {
    parts: parts.length === 0 ? ['product', 'proxy', 'decide', 'rembg'] : parts,
    requests: count('requests', values.requests),
    pairs: count('pairs', values.pairs),
    memoryRequests: count('memory-requests', values['memory-requests']),
    provider: values.provider,
  };
}

function optionsOrExit(): Options {
  try {
    return options();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

const { parts, requests, pairs, memoryRequests, provider } = optionsOrExit();
const [processor] = cpus();
console.log(
  `${cpus().length} × ${processor?.model ?? 'unknown'}, ${mib(totalmem())}, Node ${process.version}, ${MODEL}`,
);
const benchOn = async (executionProvider: string): Promise<Parameters<typeof againstRembg>[0]> => ({
  models: await catalogueModels(MODEL),
  photos: [
    await photoOf('examples/photos/astronaut.jpg'),
    await photoOf('test/parity/photos/astronaut-turned.jpg'),
  ],
  pairs,
  memoryRequests,
  executionProvider,
});
if (parts.includes('product')) await measureProduct(MODEL, requests);
if (parts.includes('proxy')) await measureProxy();
if (parts.includes('decide')) measureDecisions();
if (parts.includes('rembg')) await againstRembg(await benchOn('cpu'));
if (parts.includes('memory')) await measureMemory(MODEL);
if (parts.includes('pictures')) await measurePictures();
if (parts.includes('watermark')) await measureWatermark();
if (parts.includes('int8')) await measureInt8();
if (parts.includes('gpu')) await runOnGpu(await benchOn(provider));
process.exitCode = conclude();
