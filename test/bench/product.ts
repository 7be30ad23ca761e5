import { readFile } from 'node:fs/promises';
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
import { judge, mib, ms, percent } from './report.ts';

/** A V8 heap grows to its size before its first full collections: about so many requests. */
const WARM_UP = 8_000;

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
async function direct(model: string, picture: Buffer, requests: number): Promise<void> {
  const intake = await startIntake();
  const server = await startInference({
    models: {},
    intakeUrl: intake.url,
    overrides: { models: await catalogueModels(model), assertion: { mode: 'off' } },
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

/** What the server costs by itself and behind the gateway, and whether it grows. */
export async function measureProduct(model: string, requests: number): Promise<void> {
  const photo = await photoOf('examples/photos/astronaut.jpg');
  await direct(model, photo, requests);
  await throughTheGateway(photo, requests);
  await growth();
}

/** A JPEG of 1024 × 1024. */
export async function photoOf(path: string): Promise<Buffer> {
  return sharp(await readFile(path))
    .resize(1024, 1024)
    .jpeg({ quality: 92 })
    .toBuffer();
}
