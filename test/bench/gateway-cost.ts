import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { createWorld, type World } from '../integration/gateway/setup.ts';
import { freePorts } from '../support/program.ts';
import { median } from './report.ts';

/** Of a clock that counts a process' CPU time: Linux has 100 in a second wherever Node runs. */
const TICKS_PER_SECOND = 100;
const CONCURRENCY = 16;

/** CPU time of one process, in seconds. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in brackets, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function residentBytes(pid: number): Promise<number> {
  const [, pages = '0'] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ');
  return Number(pages) * 4096;
}

interface Subject {
  pid: number;
  pool: Pool;
  path: string;
  headers: Record<string, string>;
}

/** Sends so many requests, each with that body, and reads the same body back. */
async function load({ pool, path, headers }: Subject, body: Buffer, requests: number): Promise<void> {
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const answer = await pool.request({ path, method: 'POST', headers, body });
      let size = 0;
      for await (const chunk of answer.body) size += (chunk as Buffer).length;
      if (answer.statusCode !== 200 || size !== body.length)
        throw new Error(`${path} answered ${answer.statusCode} with ${size} bytes`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

async function cpuPerRequest(subject: Subject, body: Buffer, requests: number): Promise<number> {
  const before = await cpuSeconds(subject.pid);
  await load(subject, body, requests);
  return (await cpuSeconds(subject.pid)) - before;
}

export interface GatewayCost {
  bodyBytes: number;
  /** Medians, in milliseconds of CPU time for each request. */
  plainMs: number;
  gatewayMs: number;
  /** Of each pair, the smallest first. */
  ratios: number[];
  ratio: number;
}

export interface GatewayBench {
  /** In turn, `pairs` times, after a warm-up. */
  compare(bodyBytes: number, requests: number, pairs: number): Promise<GatewayCost>;
  /** Resident bytes of the gateway after each tenth of the requests. */
  memory(requests: number): Promise<number[]>;
  close(): Promise<void>;
}

/** The real gateway with everything on, and its own proxy without, in front of one service. */
export async function openGatewayBench(): Promise<GatewayBench> {
  const world = await createWorld();
  await world.publish(({ tenants }) => {
    const limits = tenants['acme']?.limits;
    if (limits !== undefined)
      Object.assign(limits, { requestsPerMinute: 100_000, requestsPerDay: 10_000_000 });
  });
  const { port } = await freePorts('port');
  const plain = fork(
    fileURLToPath(new URL('plain-proxy.ts', import.meta.url)),
    [String(port), world.upstream.url],
    { execArgv: [] },
  );
  await new Promise((resolve) => plain.once('message', resolve));
  const gateway = gatewaySubject(world);
  const baseline: Subject = {
    pid: plain.pid ?? 0,
    pool: poolOf(`http://127.0.0.1:${port}`),
    path: '/upload-echo',
    headers: gateway.headers,
  };
  return {
    async compare(bodyBytes, requests, pairs) {
      const body = randomBytes(bodyBytes);
      for (const subject of [baseline, gateway]) await load(subject, body, requests);
      const measured: { plain: number; full: number }[] = [];
      for (let pair = 0; pair < pairs; pair++) {
        const plainSeconds = await cpuPerRequest(baseline, body, requests);
        measured.push({ plain: plainSeconds, full: await cpuPerRequest(gateway, body, requests) });
        forgetSeen(world);
      }
      const each = (seconds: number): number => (seconds / requests) * 1000;
      const ratios = measured.map(({ plain: one, full }) => full / one).sort((a, b) => a - b);
      return {
        bodyBytes,
        plainMs: each(median(measured.map(({ plain: one }) => one))),
        gatewayMs: each(median(measured.map(({ full }) => full))),
        ratios,
        ratio: median(ratios),
      };
    },
    async memory(requests) {
      const points: number[] = [];
      for (let tenth = 0; tenth < 10; tenth++) {
        await load(gateway, randomBytes(1_000), requests / 10);
        forgetSeen(world);
        points.push(await residentBytes(gateway.pid));
      }
      return points;
    },
    async close() {
      await Promise.all([gateway.pool.destroy(), baseline.pool.destroy()]);
      plain.disconnect();
      await world.close();
    },
  };
}

const poolOf = (origin: string): Pool => new Pool(origin, { connections: CONCURRENCY, pipelining: 1 });

function gatewaySubject(world: World): Subject {
  return {
    pid: world.gateway.child.pid ?? 0,
    pool: poolOf(world.url),
    path: '/s/acme/cutout/upload-echo',
    headers: {
      authorization: `Bearer ${world.keys['ada']?.key ?? ''}`,
      'content-type': 'application/octet-stream',
      'user-agent': 'bench',
      accept: '*/*',
    },
  };
}

/** The service of the tests remembers what it saw. */
function forgetSeen(world: World): void {
  world.upstream.seen.length = 0;
}
