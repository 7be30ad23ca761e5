import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const KEPT_ALIVE_MS = 7_000;

/** Where a running inference server is, and how to send a picture through whatever stands before it. */
export interface Target {
  /** Resolves with the whole answer read; rejects when it is not 200. */
  remove: (picture: Uint8Array) => Promise<{ serverTiming: string }>;
  /** Of the probes and metrics port of the inference server. */
  metricsUrl: string;
}

export interface Shares {
  requests: number;
  /** Medians, in milliseconds. */
  wallMs: number;
  inferenceMs: number;
  preprocessMs: number;
  postprocessMs: number;
  /** Waiting, transfer, and everything else that is neither of the three. */
  elsewhereMs: number;
  /** Of the whole time as the client sees it: median of each request's own share. */
  outsideModelShare: number;
  /** Of the HTTP process, from the first request to the last. */
  eventLoopDelayP99Ms: number;
}

function timingsOf(header: string): Record<'queue' | 'preprocess' | 'inference' | 'postprocess', number> {
  const read = (name: string): number => {
    const duration = new RegExp(`(?:^|, )${name};dur=([0-9.]+)`).exec(header)?.[1];
    if (duration === undefined) throw new Error(`the answer has no Server-Timing of ${name}: ${header}`);
    return Number(duration);
  };
  return {
    queue: read('queue'),
    preprocess: read('preprocess'),
    inference: read('inference'),
    postprocess: read('postprocess'),
  };
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

async function metric(metricsUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  if (line === undefined) throw new Error(`${metricsUrl} has no metric ${name}`);
  return Number(line.slice(name.length));
}

const EVENT_LOOP_P99 = 'nodejs_eventloop_lag_p99_seconds';

/** One request at a time, as a client sees it: how much of its time is not the model's own run. */
export async function measureShares(target: Target, picture: Uint8Array, requests: number): Promise<Shares> {
  await target.remove(picture);
  // Each scrape begins the measurement of the event loop anew.
  await metric(target.metricsUrl, EVENT_LOOP_P99);
  const samples: { wall: number; timings: ReturnType<typeof timingsOf> }[] = [];
  for (let i = 0; i < requests; i++) {
    const started = performance.now();
    const { serverTiming } = await target.remove(picture);
    samples.push({ wall: performance.now() - started, timings: timingsOf(serverTiming) });
  }
  const eventLoopDelayP99Ms = 1000 * (await metric(target.metricsUrl, EVENT_LOOP_P99));
  const over = (value: (sample: (typeof samples)[number]) => number): number => median(samples.map(value));
  return {
    requests,
    wallMs: over(({ wall }) => wall),
    inferenceMs: over(({ timings }) => timings.inference),
    preprocessMs: over(({ timings }) => timings.preprocess),
    postprocessMs: over(({ timings }) => timings.postprocess),
    elsewhereMs: over(
      ({ wall, timings }) => wall - timings.preprocess - timings.inference - timings.postprocess,
    ),
    outsideModelShare: over(({ wall, timings }) => (wall - timings.inference) / wall),
    eventLoopDelayP99Ms,
  };
}

export interface Holdings {
  rssBytes: number;
  handles: number;
}

/** What a process holds, from /proc: resident memory and open descriptors. */
async function holdingsOf(pid: number): Promise<Holdings> {
  const [status, descriptors] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ]);
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (rss === undefined) throw new Error(`process ${pid} has no resident memory: has it ended?`);
  return { rssBytes: Number(rss) * 1024, handles: descriptors.length };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

export interface Growth {
  requests: number;
  server: { before: Holdings; after: Holdings };
  models: { before: Holdings; after: Holdings }[];
}

/**
 * Many requests one after another: what the HTTP process and its model processes hold before and after. The first
 * `warmUp` are not counted: heaps and arenas reach their size in them.
 */
export async function measureGrowth(
  target: Target,
  serverPid: number,
  picture: Uint8Array,
  { warmUp, requests }: { warmUp: number; requests: number },
): Promise<Growth> {
  for (let i = 0; i < warmUp; i++) await target.remove(picture);
  const children = await childrenOf(serverPid);
  const look = async (): Promise<Holdings[]> => {
    // Connections that are kept alive for another request are no leak: they close by themselves.
    await delay(KEPT_ALIVE_MS);
    return Promise.all([serverPid, ...children].map(holdingsOf));
  };
  const before = await look();
  for (let i = 0; i < requests; i++) await target.remove(picture);
  const after = await look();
  const [server, ...models] = before.map((holdings, index) => {
    const now = after[index];
    if (now === undefined) throw new Error('a process has gone');
    return { before: holdings, after: now };
  });
  if (server === undefined) throw new Error('there is no server');
  return { requests, server, models };
}

/** A target that is asked directly, without a gateway, and needs no assertion. */
export function directTarget(url: string, metricsUrl: string): Target {
  return {
    metricsUrl,
    async remove(picture) {
      const form = new FormData();
      form.set('file', new Blob([Uint8Array.from(picture)]), 'picture');
      const response = await fetch(`${url}/api/remove`, { method: 'POST', body: form });
      const body = await response.arrayBuffer();
      if (!response.ok) throw new Error(`${response.status}: ${Buffer.from(body).toString('utf8')}`);
      return { serverTiming: response.headers.get('server-timing') ?? '' };
    },
  };
}
