import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { startInference, startIntake, untilReady } from '../support/inference.ts';
import { catalogueModels } from '../support/models.ts';
import { startProduct } from '../support/product.ts';
import {
  directTarget,
  type Holdings,
  measureGrowth,
  measureShares,
  type Shares,
  type Target,
} from './inference.ts';

const MODEL = 'isnet-general-fp16';
/** A V8 heap grows to its size before its first full collections: about so many requests. */
const WARM_UP = 8_000;
const HELP = `Measures what Imageplane costs on this machine, and says whether each bar is met.

Usage: npm run bench [-- --requests N]
       npm run bench -- watermark   the invisible watermark: what it survives, and how faint it is
       npm run bench -- int8        fp32, fp16, dynamic and static int8 of one model, side by side
       npm run bench -- pictures    what stands around the model, part by part

  --requests N   cut-outs of 1024 by 1024 in each of the two ways (default 15)

Exit codes: 0 all bars met, 1 one or more missed, 2 wrong option. Run it on a machine that does nothing else.`;

interface Bar {
  what: string;
  value: string;
  met: boolean;
}

const bars: Bar[] = [];

function judge(what: string, value: string, met: boolean): void {
  bars.push({ what, value, met });
  console.log(`  ${met ? 'met ' : 'MISSED'}  ${what}: ${value}`);
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

function report(way: string, shares: Shares): void {
  const { wallMs, inferenceMs, preprocessMs, postprocessMs, elsewhereMs } = shares;
  console.log(
    `\n${way}: ${shares.requests} cut-outs of 1024 × 1024, one at a time (medians)\n` +
      `  wall ${ms(wallMs)} = model ${ms(inferenceMs)} + preprocess ${ms(preprocessMs)} + ` +
      `postprocess ${ms(postprocessMs)} + transfer and everything else ${ms(elsewhereMs)}`,
  );
  judge(
    `${way}: time outside the model's own run, at most 8 %`,
    percent(shares.outsideModelShare),
    shares.outsideModelShare <= 0.08,
  );
  judge(
    `${way}: event loop of the HTTP process while the model runs, p99 under 20 ms`,
    ms(shares.eventLoopDelayP99Ms),
    shares.eventLoopDelayP99Ms < 20,
  );
}

/** The server by itself, as a baseline for what the gateway adds. */
async function direct(picture: Buffer, requests: number): Promise<void> {
  const intake = await startIntake();
  const server = await startInference({
    models: {},
    intakeUrl: intake.url,
    overrides: { models: await catalogueModels(MODEL), assertion: { mode: 'off' } },
  });
  try {
    await untilReady(server);
    report(
      'server alone',
      await measureShares(directTarget(server.url, server.probesUrl), picture, requests),
    );
  } finally {
    await server.stop();
    await intake.close();
  }
}

/** The whole product: key, decision, limit, reservation, proxy, settlement and audit before and after the model. */
async function throughTheGateway(picture: Buffer, requests: number): Promise<void> {
  const product = await startProduct({ paths: ['examples', 'models'], objects: () => Promise.resolve([]) });
  try {
    const { metrics } = JSON.parse(await product.read('run/inference.demo.cutout.json')) as {
      metrics: { port: number };
    };
    const target: Target = {
      metricsUrl: `http://127.0.0.1:${metrics.port}`,
      async remove(bytes) {
        const form = new FormData();
        form.set('file', new Blob([Uint8Array.from(bytes)]), 'picture');
        const response = await fetch(`${product.url}/s/demo/cutout/api/remove`, {
          method: 'POST',
          headers: { authorization: `Bearer ${product.key}` },
          body: form,
        });
        await response.arrayBuffer();
        if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
        return { serverTiming: response.headers.get('server-timing') ?? '' };
      },
    };
    report('through the gateway', await measureShares(target, picture, requests));
  } finally {
    await product.stop();
  }
}

async function growth(): Promise<void> {
  const intake = await startIntake();
  const server = await startInference({
    models: { tiny: { width: 64, height: 64 } },
    intakeUrl: intake.url,
    overrides: { assertion: { mode: 'off' } },
  });
  try {
    await untilReady(server);
    const picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#3355aa' } })
      .png()
      .toBuffer();
    const found = await measureGrowth(
      directTarget(server.url, server.probesUrl),
      server.program.child.pid ?? 0,
      picture,
      { warmUp: WARM_UP, requests: 2_000 },
    );
    console.log(`\n${found.requests} requests to a tiny graph, after ${WARM_UP} that warm up`);
    flat('HTTP process', found.server);
    for (const model of found.models) flat('model process', model);
  } finally {
    await server.stop();
    await intake.close();
  }
}

/** Flat: no more handles, and no more memory than the noise of a heap between two collections. */
function flat(name: string, { before, after }: { before: Holdings; after: Holdings }): void {
  const grown = after.rssBytes - before.rssBytes;
  judge(
    `${name}: memory flat (within 5 %)`,
    `${mib(before.rssBytes)} → ${mib(after.rssBytes)}`,
    grown <= before.rssBytes * 0.05,
  );
  judge(`${name}: handles flat`, `${before.handles} → ${after.handles}`, after.handles <= before.handles);
}

function options(): { requests: number } {
  try {
    const { values } = parseArgs({
      options: { requests: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    const requests = Number(values.requests ?? 15);
    if (values.help === true || !Number.isSafeInteger(requests) || requests < 1) throw new Error(HELP);
    return { requests };
  } catch (error) {
    console.error(error instanceof Error && error.message === HELP ? HELP : `${String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

/** Sections with a module of their own: each prints its tables and gives the exit code. */
const OWN: Record<string, (() => Promise<number>) | undefined> = {
  watermark: async () => (await import('./watermark.ts')).main(),
  int8: async () => (await import('./int8.ts')).main(),
  pictures: async () => (await import('./pictures.ts')).main(),
};
const own = OWN[process.argv[2] ?? ''];
if (own !== undefined) process.exit(await own());

const { requests } = options();
const [processor] = cpus();
console.log(
  `${cpus().length} × ${processor?.model ?? 'unknown'}, ${mib(totalmem())}, Node ${process.version}, ${MODEL}`,
);
const photo = await sharp(await readFile('examples/photos/astronaut.jpg'))
  .resize(1024, 1024)
  .jpeg({ quality: 92 })
  .toBuffer();
await direct(photo, requests);
await throughTheGateway(photo, requests);
await growth();
const missed = bars.filter(({ met }) => !met);
console.log(`\n${bars.length - missed.length} of ${bars.length} bars met.`);
process.exitCode = missed.length === 0 ? 0 : 1;
