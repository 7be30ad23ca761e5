import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { startInference, startIntake, untilReady } from '../support/inference.ts';
import { catalogueModels } from '../support/models.ts';
import { startProduct } from '../support/product.ts';
import { measureDecide } from './decide.ts';
import { openGatewayBench } from './gateway-cost.ts';
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

Usage: npm run bench [-- SECTION... --requests N]

  alone          cut-outs by the inference server alone: the baseline of the next
  gateway        the same through the whole product
  memory         2,000 requests to a tiny graph, after ${WARM_UP.toLocaleString('en')} that warm up
  proxy          CPU time of the gateway for each request, with everything on, beside its own proxy with no checks;
                 and its memory over 100,000 requests
  decide         one decision at 200 custom roles and 2,000 grants, beside a naive one and at ten times the grants

  --requests N   cut-outs of 1024 by 1024 in each of the two ways (default 15)

Without a section, all of them. Exit codes: 0 all bars met, 1 one or more missed, 2 wrong option. Run it on a machine
that does nothing else.`;

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

const micro = (value: number): string => `${value.toFixed(2)} µs`;

/** The baseline is a decision that looks at every role and grant in turn, as the tests' reference does. */
function decisions(): void {
  const few = measureDecide(2_000);
  const many = measureDecide(20_000);
  console.log('\none decision at 200 custom roles (medians; naive: every role and grant in turn)');
  for (const { grants, usual, worst, naive, compileMs } of [few, many])
    console.log(
      `  ${grants.toLocaleString('en')} grants: usual principal ${micro(usual)}, all roles and no right ${micro(worst)}, ` +
        `naive ${micro(naive)}; once for each snapshot ${ms(compileMs)}`,
    );
  judge('decide at 2,000 grants, at worst: at most 50 µs', micro(few.worst), few.worst <= 50);
  for (const who of ['usual', 'worst'] as const) {
    const ratio = many[who] / few[who];
    judge(`decide, ${who}: flat as grants grow tenfold (at most 1.5)`, ratio.toFixed(2), ratio <= 1.5);
  }
}

async function proxy(): Promise<void> {
  const bench = await openGatewayBench();
  try {
    console.log(
      '\nCPU time for each request, 16 at once (pairs in turn; baseline: the same proxy with no checks)',
    );
    for (const { bodyBytes, requests, most } of [
      { bodyBytes: 10_000, requests: 2_000, most: 2.5 },
      { bodyBytes: 1_000_000, requests: 200, most: 1.3 },
    ]) {
      const { plainMs, gatewayMs, ratios, ratio } = await bench.compare(bodyBytes, requests, 7);
      console.log(
        `  ${bodyBytes / 1000} KB there and back: ${plainMs.toFixed(3)} ms plain, ${gatewayMs.toFixed(3)} ms gateway; ` +
          `ratios ${ratios.map((one) => one.toFixed(2)).join(' ')}`,
      );
      judge(`gateway at ${bodyBytes / 1000} KB: CPU at most ${most} times`, ratio.toFixed(2), ratio <= most);
    }
    const points = await bench.memory(100_000);
    console.log(`\n100,000 requests: gateway after each 10,000: ${points.map(mib).join(', ')}`);
    const [, warm = 0] = points;
    const end = points.at(-1) ?? 0;
    judge(
      'gateway: memory flat from 20,000 to 100,000 requests (within 5 %)',
      `${mib(warm)} → ${mib(end)}`,
      end <= warm * 1.05,
    );
  } finally {
    await bench.close();
  }
}

const SECTIONS = ['alone', 'gateway', 'memory', 'proxy', 'decide'] as const;
type Section = (typeof SECTIONS)[number];
const isSection = (name: string): name is Section => SECTIONS.some((section) => section === name);

function options(): { requests: number; sections: ReadonlySet<Section> } {
  try {
    const { values, positionals } = parseArgs({
      options: { requests: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    if (values.help === true) {
      console.log(HELP);
      process.exit(0);
    }
    const requests = Number(values.requests ?? 15);
    if (!Number.isSafeInteger(requests) || requests < 1)
      throw new Error('--requests takes a whole number from 1.');
    const unknown = positionals.find((name) => !isSection(name));
    if (unknown !== undefined) throw new Error(`There is no section ${unknown}.`);
    return {
      requests,
      sections: new Set(positionals.length === 0 ? SECTIONS : positionals.filter(isSection)),
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

const { requests, sections } = options();
const [processor] = cpus();
console.log(
  `${cpus().length} × ${processor?.model ?? 'unknown'}, ${mib(totalmem())}, Node ${process.version}, ${MODEL}`,
);
if (sections.has('alone') || sections.has('gateway')) {
  const photo = await sharp(await readFile('examples/photos/astronaut.jpg'))
    .resize(1024, 1024)
    .jpeg({ quality: 92 })
    .toBuffer();
  if (sections.has('alone')) await direct(photo, requests);
  if (sections.has('gateway')) await throughTheGateway(photo, requests);
}
if (sections.has('memory')) await growth();
if (sections.has('proxy')) await proxy();
if (sections.has('decide')) decisions();
const missed = bars.filter(({ met }) => !met);
console.log(`\n${bars.length - missed.length} of ${bars.length} bars met.`);
process.exitCode = missed.length === 0 ? 0 : 1;
