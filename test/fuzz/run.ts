import { readdir, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { type Inference, startInference, startIntake, untilReady } from '../support/inference.ts';
import { until } from '../support/program.ts';
import { corpus, type Sample } from './corpus.ts';
import { randomOf } from './random.ts';
import { type FuzzRequest, requestOf } from './requests.ts';

/** The longest that any answer may take: far above what a small picture needs, far below any time-out of a client. */
const LIMIT_MS = 20_000;
const AT_ONCE = 8;
/** Heaps and arenas reach their size within so many. */
const WARM_UP = 10_000;
/** Fewer pixels than in production, so that thousands of half-broken pictures go through in minutes. */
const MAX_PIXELS = 4_000_000;

export interface Holdings {
  rssMiB: number;
  handles: number;
}

export interface FuzzReport {
  cases: number;
  /** How often each status, and each code of a refusal, was answered. */
  answers: Map<string, number>;
  /** What went wrong, with the number of the case: `npm run fuzz -- --seed S --only N` does it again. */
  failures: string[];
  slowestMs: number;
  /** Of the HTTP process and the model process, after the warm-up and at the end. */
  before: Holdings[];
  after: Holdings[];
  restarts: number;
}

export interface FuzzOptions {
  seed: number;
  cases: number;
  /** Only this case. */
  only?: number | undefined;
}

/** Runs a server over a tiny graph and sends it mutated requests, the same for the same seed. */
export async function fuzz({ seed, cases, only }: FuzzOptions): Promise<FuzzReport> {
  const intake = await startIntake();
  const server = await startInference({
    models: { tiny: { width: 32, height: 32 } },
    intakeUrl: intake.url,
    overrides: { assertion: { mode: 'off' }, limits: { maxPixels: MAX_PIXELS } },
  });
  try {
    await untilReady(server);
    const samples = await corpus();
    const report = emptyReport();
    const numbers = only === undefined ? Array.from({ length: cases }, (_, i) => i) : [only];
    const warmUp = Math.min(WARM_UP, Math.floor(numbers.length / 2));
    await sendAll(server, numbers.slice(0, warmUp), { seed, samples, report });
    report.before = await look(server);
    await sendAll(server, numbers.slice(warmUp), { seed, samples, report });
    await settle(server, report);
    report.restarts = await server.metric('child_restarts_total');
    return report;
  } catch (error) {
    throw new Error(`${String(error)}; the server's log ends with:\n${server.program.log().slice(-2000)}`, {
      cause: error,
    });
  } finally {
    await server.stop();
    await intake.close();
  }
}

function emptyReport(): FuzzReport {
  return { cases: 0, answers: new Map(), failures: [], slowestMs: 0, before: [], after: [], restarts: 0 };
}

/** Handles of connections that were kept alive go a moment after their last request. */
async function settle(server: Inference, report: FuzzReport): Promise<void> {
  const most = report.before.map(({ handles }) => handles);
  await until('the handles are let go', async () => {
    report.after = await look(server);
    return report.after.every(({ handles }, i) => handles <= (most[i] ?? 0));
  }).catch(() => undefined);
}

async function look(server: Inference): Promise<Holdings[]> {
  const pids = [server.program.child.pid ?? 0, server.modelPid('tiny')];
  return Promise.all(
    pids.map(async (pid) => {
      const [status, handles] = await Promise.all([
        readFile(`/proc/${pid}/status`, 'utf8'),
        readdir(`/proc/${pid}/fd`),
      ]);
      const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? '0';
      return { rssMiB: Math.round(Number(kib) / 1024), handles: handles.length };
    }),
  );
}

interface Sending {
  seed: number;
  samples: readonly Sample[];
  report: FuzzReport;
}

async function sendAll(server: Inference, numbers: number[], sending: Sending): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const queue = numbers.values();
  const work = async (): Promise<void> => {
    for (const number of queue) await sendOne(server.url, agent, number, sending);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  agent.destroy();
}

async function sendOne(
  url: string,
  agent: Agent,
  number: number,
  { seed, samples, report }: Sending,
): Promise<void> {
  const made = requestOf(samples, randomOf(seedOfCase(seed, number)));
  const started = performance.now();
  const { outcome, problem } = await answerTo(url, agent, made).then(judge, (error: unknown) => ({
    outcome: 'no answer',
    problem: String(error),
  }));
  report.slowestMs = Math.max(report.slowestMs, performance.now() - started);
  report.cases++;
  report.answers.set(outcome, (report.answers.get(outcome) ?? 0) + 1);
  if (problem !== undefined) report.failures.push(`case ${number}: ${problem}; ${made.what}`);
}

/** Each case has random numbers of its own, so that it can be done again alone. */
export function seedOfCase(seed: number, number: number): number {
  return (seed + Math.imul(number, 0x9e3779b1)) >>> 0;
}

interface FuzzAnswer {
  status: number;
  type: string;
  /** Of the header: not every surface's body has one. */
  code: string;
  body: Buffer;
}

async function answerTo(url: string, agent: Agent, made: FuzzRequest): Promise<FuzzAnswer> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const { promise, resolve, reject } = Promise.withResolvers<FuzzAnswer>();
  const { method, headers, body } = made;
  const length = body.length === 0 ? {} : { 'content-length': String(body.length) };
  const outgoing = request(`${url}${made.target}`, {
    agent,
    method,
    headers: { ...headers, ...length },
    signal,
  });
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const type = response.headers['content-type'] ?? '';
      const code = String(response.headers['x-error-code'] ?? '');
      resolve({ status: response.statusCode ?? 0, type, code, body: Buffer.concat(chunks) });
    });
  });
  outgoing.end(body);
  return promise;
}

/** Every answer is a 2xx with a body, or a 4xx with a reason that a person can read. */
function judge({ status, type, code, body }: FuzzAnswer): { outcome: string; problem?: string } {
  if (status >= 200 && status < 300)
    return body.length > 0
      ? { outcome: String(status) }
      : { outcome: String(status), problem: 'an empty answer' };
  if (status < 400 || status >= 500)
    return { outcome: String(status), problem: `${status} ${body.toString('utf8').slice(0, 300)}` };
  if (!hasReason(type, body) || code === '')
    return {
      outcome: String(status),
      problem: `${status} without a reason: ${body.toString('utf8').slice(0, 200)}`,
    };
  return { outcome: `${status} ${code}` };
}

interface ErrorBody {
  error?: { message?: string } | string;
  detail?: string;
}

/** In the shape of any surface: `error.message`, `error`, or `detail`. */
function hasReason(type: string, body: Buffer): boolean {
  if (!type.startsWith('application/json')) return false;
  try {
    const { error, detail } = JSON.parse(body.toString('utf8')) as ErrorBody;
    const message = typeof error === 'string' ? error : (error?.message ?? detail);
    return typeof message === 'string' && message.length >= 15;
  } catch {
    return false;
  }
}
