import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { directTarget, measureShares } from './inference.ts';
import { judge, median, mib, ms, percent, quantile } from './report.ts';
import {
  type BenchServer,
  memoryOfTree,
  type RembgSetting,
  rembgVersions,
  startOurs,
  startRembg,
} from './servers.ts';

export interface RembgBench {
  /** One, of a background-removal model of rembg's IS-Net kind. */
  models: Record<string, unknown>[];
  photos: Uint8Array[];
  pairs: number;
  /** For the memory of the whole server. */
  memoryRequests: number;
  executionProvider: string;
}

const CONCURRENCIES = [1, 4, 16];
/** Requests of one measurement, at least: two rounds of what runs at once. */
const requestsAt = (concurrency: number): number => Math.max(8, 2 * concurrency);
const SWEEP_CONCURRENCY = 4;
const MEMORY_CONCURRENCY = 4;
/** What noise may do to a ratio. */
const AS_GOOD = 0.97;

interface Measured {
  /** Requests a second. */
  throughput: number;
  latencies: number[];
}

/** So many requests, so many at once. */
async function measure(
  server: BenchServer,
  photos: Uint8Array[],
  { requests, concurrency }: { requests: number; concurrency: number },
): Promise<Measured> {
  const latencies: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < requests) {
      const photo = photos[next++ % photos.length];
      if (photo === undefined) throw new Error('there is no photo');
      const started = performance.now();
      await server.remove(photo);
      latencies.push(performance.now() - started);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: concurrency }, client));
  return { throughput: (1000 * requests) / (performance.now() - started), latencies };
}

async function during<S extends BenchServer, T>(
  start: () => Promise<S>,
  use: (server: S) => Promise<T>,
): Promise<T> {
  const server = await start();
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** Starts a server with each setting and gives the one with the highest throughput. */
async function sweep<S>(
  name: string,
  settings: S[],
  {
    start,
    describe,
    photos,
  }: { start: (setting: S) => Promise<BenchServer>; describe: (setting: S) => string; photos: Uint8Array[] },
): Promise<S> {
  console.log(`\n${name}, by setting: ${SWEEP_CONCURRENCY} at once, requests a second`);
  let best: { setting: S; throughput: number } | undefined;
  for (const setting of settings) {
    const { throughput } = await during(
      async () => start(setting),
      async (server) => {
        await measure(server, photos, { requests: 2, concurrency: 1 });
        return measure(server, photos, { requests: 12, concurrency: SWEEP_CONCURRENCY });
      },
    );
    console.log(`  ${throughput.toFixed(3)}  ${describe(setting)}`);
    if (best === undefined || throughput > best.throughput) best = { setting, throughput };
  }
  if (best === undefined) throw new Error('there is no setting to try');
  console.log(`  best: ${describe(best.setting)}`);
  return best.setting;
}

function threadCounts(): number[] {
  const cores = availableParallelism();
  return [...new Set([1, Math.ceil(cores / 2), cores])];
}

const describeRembg = ({ threads, workers }: RembgSetting): string =>
  `OMP_NUM_THREADS ${threads ?? 'unset'}, --threads ${workers ?? 'unset'}`;

/** Both servers in turn, so that what else the machine does weighs on both. */
async function comparePairs(
  { photos, pairs }: RembgBench,
  ours: BenchServer,
  theirs: BenchServer,
): Promise<void> {
  for (const concurrency of CONCURRENCIES) {
    const load = { concurrency, requests: requestsAt(concurrency) };
    const ratios: number[] = [];
    const all = { ours: [] as number[], theirs: [] as number[] };
    const rates = { ours: [] as number[], theirs: [] as number[] };
    for (let pair = 0; pair < pairs; pair++) {
      const order = pair % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const);
      for (const side of order) {
        const { throughput, latencies } = await measure(side === 'ours' ? ours : theirs, photos, load);
        rates[side].push(throughput);
        all[side].push(...latencies);
      }
      ratios.push((rates.ours.at(-1) ?? NaN) / (rates.theirs.at(-1) ?? NaN));
    }
    console.log(
      `\n${concurrency} at once, ${pairs} pairs of ${load.requests} requests (medians)\n` +
        `  requests a second: ours ${median(rates.ours).toFixed(3)}, rembg ${median(rates.theirs).toFixed(3)}; ` +
        `ratios ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`,
    );
    judge(
      `throughput against rembg's at ${concurrency}, ${AS_GOOD} or better`,
      median(ratios).toFixed(3),
      median(ratios) >= AS_GOOD,
    );
    const [own, other] = [quantile(all.ours, 0.95), quantile(all.theirs, 0.95)];
    judge(
      `95th percentile at ${concurrency}, no worse`,
      `${ms(own)} against ${ms(other)}`,
      own * AS_GOOD <= other,
    );
  }
}

/** The most that the whole server held, while it answered so many requests. */
async function peakMemory(server: BenchServer, photos: Uint8Array[], requests: number): Promise<number> {
  let peak = 0;
  const end = new AbortController();
  const watching = (async (): Promise<void> => {
    while (!end.signal.aborted) {
      peak = Math.max(peak, await memoryOfTree(server.pid));
      await sleep(100);
    }
  })();
  await measure(server, photos, { requests, concurrency: MEMORY_CONCURRENCY });
  end.abort();
  await watching;
  return peak;
}

/** rembg's own server against ours: same weights, photos and cores, each with its best thread setting. */
export async function againstRembg(bench: RembgBench): Promise<void> {
  const { photos, executionProvider, models } = bench;
  const [file] = (models[0]?.['files'] ?? []) as { path: string }[];
  if (file === undefined) throw new Error('the model has no file');
  const environment = executionProvider === 'cpu' ? 'rembg' : 'rembg-gpu';
  const versions = await rembgVersions(environment);
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  console.log(
    `\nrembg ${versions.rembg} on Python ${versions.python} with onnxruntime ${versions.onnxruntime}; ` +
      `ours with onnxruntime-node ${version}, execution provider ${executionProvider}`,
  );
  judge(
    'both use the same release of ONNX Runtime',
    `${versions.onnxruntime}, ${version}`,
    versions.onnxruntime === version,
  );

  const ourThreads = await sweep('ours', threadCounts(), {
    photos,
    start: async (threads) => startOurs(models, { threads, executionProvider }),
    describe: (threads) => `threads ${threads}`,
  });
  const rembgSettings = [undefined, ...threadCounts()].flatMap((threads) =>
    [undefined, ...threadCounts()].map((workers): RembgSetting => ({ threads, workers })),
  );
  const rembgSetting = await sweep('rembg s', rembgSettings, {
    photos,
    start: async (setting) => startRembg(environment, file.path, setting),
    describe: describeRembg,
  });
  const startBestOurs = async (): ReturnType<typeof startOurs> =>
    startOurs(models, { threads: ourThreads, executionProvider, queue: { depth: 64 } });
  const startBestRembg = async (): Promise<BenchServer> => startRembg(environment, file.path, rembgSetting);

  await during(startBestOurs, async (ours) => {
    await during(startBestRembg, async (theirs) => {
      for (const server of [ours, theirs]) await measure(server, photos, { requests: 3, concurrency: 1 });
      await comparePairs(bench, ours, theirs);
    });
    await timeOutside(ours, photos);
  });
  await compareMemory(bench, startBestOurs, startBestRembg);
}

async function timeOutside(
  { url, probesUrl }: { url: string; probesUrl: string },
  [photo]: Uint8Array[],
): Promise<void> {
  if (photo === undefined) return;
  const shares = await measureShares(directTarget(url, probesUrl), photo, 15);
  console.log(
    `\nours, one at a time (medians of ${shares.requests})\n` +
      `  wall ${ms(shares.wallMs)} = model ${ms(shares.inferenceMs)} + before it ${ms(shares.preprocessMs)} + ` +
      `after it ${ms(shares.postprocessMs)} + transfer and everything else ${ms(shares.elsewhereMs)}`,
  );
  judge(
    'time outside the model at 1024 × 1024, at most 8 %',
    percent(shares.outsideModelShare),
    shares.outsideModelShare <= 0.08,
  );
}

async function compareMemory(
  { photos, memoryRequests }: RembgBench,
  startBestOurs: () => Promise<BenchServer>,
  startBestRembg: () => Promise<BenchServer>,
): Promise<void> {
  const peak = async (server: BenchServer): Promise<number> => peakMemory(server, photos, memoryRequests);
  const ours = await during(startBestOurs, peak);
  const theirs = await during(startBestRembg, peak);
  console.log(
    `\npeak memory of the whole server over ${memoryRequests} requests, ${MEMORY_CONCURRENCY} at once`,
  );
  judge(
    "peak memory, at most half of rembg's",
    `${mib(ours)} against ${mib(theirs)}, ${percent(ours / theirs)}`,
    ours <= theirs / 2,
  );
}
