import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { onnxService, type Product, startProduct, tenantYaml, tinyModelYaml } from '../support/product.ts';
import { until } from '../support/program.ts';

const WORKERS = 4;
const OUTAGE_MS = 20_000;

interface Answer {
  /** 0 when the connection broke before an answer. */
  status: number;
  id: string;
  code: string;
  degraded: boolean;
}

let product: Product;
let picture: Buffer;
/** Every answer that any client has seen. */
const answers: Answer[] = [];

before(async () => {
  product = await startProduct({
    objects: async (folder) => [
      tenantYaml('faults', { plan: 'enterprise', limits: { requestsPerMinute: 1_000_000 } }),
      await tinyModelYaml(folder, 'quick', { width: 64, height: 64 }),
      await tinyModelYaml(folder, 'slow', { width: 256, height: 256, work: 20 }),
      onnxService('faults', 'quick', 'quick'),
      onnxService('faults', 'slow', 'slow'),
    ],
  });
  picture = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#3355aa' } })
    .png()
    .toBuffer();
});

after(async () => {
  await product.stop();
});

async function ask(service = 'quick'): Promise<Answer> {
  const answer = await send(service);
  answers.push(answer);
  return answer;
}

async function send(service: string): Promise<Answer> {
  try {
    const response = await fetch(`${product.url}/s/faults/${service}/v1/cutouts`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.key}`, 'content-type': 'image/png' },
      body: Uint8Array.from(picture),
    });
    const body = Buffer.from(await response.arrayBuffer());
    const code = response.ok ? '' : (JSON.parse(body.toString()) as { error: { code: string } }).error.code;
    return {
      status: response.status,
      id: response.headers.get('x-request-id') ?? '',
      code,
      // Served on the allowance, that is: refusals say it too.
      degraded: response.ok && response.headers.has('x-imageplane-degraded'),
    };
  } catch {
    return { status: 0, id: '', code: 'connection', degraded: false };
  }
}

/** Keeps asking from several clients while the fault happens, and until it has been answered well again. */
async function underLoad(fault: () => Promise<void>): Promise<Answer[]> {
  const from = answers.length;
  let over = false;
  const workers = Array.from({ length: WORKERS }, async () => {
    while (!over) {
      const { status } = await ask();
      // A client that is refused does not hammer.
      if (status !== 200) await delay(100);
    }
  });
  try {
    await delay(500);
    await fault();
    const healthyFrom = answers.length;
    await until(
      'requests are answered well again',
      () => answers.slice(healthyFrom).filter(({ status }) => status === 200).length >= 20,
      60_000,
    );
  } finally {
    over = true;
    await Promise.all(workers);
  }
  return answers.slice(from);
}

async function kill(command: RegExp, signal: NodeJS.Signals): Promise<number[]> {
  const victims = await product.processes(command);
  assert.ok(victims.length > 0, `nothing runs that matches ${String(command)}`);
  for (const { pid } of victims) process.kill(pid, signal);
  return victims.map(({ pid }) => pid);
}

async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name in parentheses, which may hold anything: state, parent, …
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const parentOf = async (pid: number): Promise<number> => Number((await statOf(pid))[1]);

/** In hundredths of a second. */
const processorTime = async (pid: number): Promise<number> => Number((await statOf(pid))[11]);

async function rows<T extends object>(text: string): Promise<T[]> {
  return (await product.database.query<T>(text)).rows;
}

async function number(text: string): Promise<number> {
  const [row] = await rows<{ n: string }>(`SELECT (${text}) AS n`);
  return Number(row?.n);
}

/** Jobs that the inference servers have done since they started: they are never killed here. */
async function jobsDone(): Promise<number> {
  let sum = 0;
  for (const name of await readdir(`${product.data}/run`)) {
    if (!/^inference.*\.json$/.test(name)) continue;
    const { metrics } = JSON.parse(await readFile(`${product.data}/run/${name}`, 'utf8')) as {
      metrics: { port: number };
    };
    const text = await (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
    for (const line of text.split('\n'))
      if (line.startsWith('inference_requests_total{') && line.includes('outcome="succeeded"'))
        sum += Number(line.slice(line.lastIndexOf(' ')));
  }
  return sum;
}

/** What must hold after any fault, once everything on its way has arrived. */
async function assertNothingLostOrChargedTwice(): Promise<void> {
  const succeeded = `SELECT count(*) FROM imageplane.usage_event WHERE event->>'outcome' = 'succeeded'`;
  await until(
    'every job done has its usage event',
    async () => (await number(succeeded)) === (await jobsDone()),
    60_000,
  );
  const events = new Set(
    (
      await rows<{ id: string }>(
        `SELECT id FROM imageplane.usage_event WHERE event->>'outcome' = 'succeeded'`,
      )
    ).map(({ id }) => id),
  );
  await until(
    'every request is settled',
    async () => (await number(OPEN)) === 0 || (await expire()) > 0,
    60_000,
  );
  const charged = new Set(
    (await rows<{ id: string }>(`SELECT id FROM imageplane.reservation WHERE state = 'charged'`)).map(
      ({ id }) => id,
    ),
  );
  const answered = answers.filter(({ status }) => status === 200).map(({ id }) => id);
  assert.equal(new Set(answered).size, answered.length, 'an id was given twice');
  assert.deepEqual(
    answered.filter((id) => !charged.has(id)),
    [],
    'answered and not charged',
  );
  assert.deepEqual(
    [...charged].filter((id) => !events.has(id)),
    [],
    'charged for work that was not done',
  );
  assert.deepEqual(
    [...events].filter((id) => !charged.has(id)),
    [],
    'work done and not charged',
  );
  const counters = {
    day: `SELECT sum(requests) FROM imageplane.quota_counter WHERE period = 'day'`,
    month: `SELECT sum(requests) FROM imageplane.quota_counter WHERE period = 'month'`,
    report: 'SELECT sum(requests) FROM imageplane.usage_daily',
  };
  for (const [name, text] of Object.entries(counters)) assert.equal(await number(text), charged.size, name);
}

const OPEN = `SELECT count(*) FROM imageplane.reservation WHERE state = 'reserved'`;

/** A gateway that was killed leaves reservations that only time settles; the time is given here. */
async function expire(): Promise<number> {
  return number(`SELECT imageplane.expire_reservations(now() + interval '1 hour')`);
}

describe('a fault', () => {
  it('of the model process in the middle of a run is answered with a clear 5xx, and the next request is served', async () => {
    const [server] = await product.processes(/inference-server\/main\.ts.*slow/);
    const workers = await product.processes(/inference-server\/worker\/main\.ts/);
    const parents = await Promise.all(workers.map(({ pid }) => parentOf(pid)));
    const victim = workers[parents.indexOf(server?.pid ?? 0)];
    assert.ok(victim);
    const asked = ask('slow');
    const busyFrom = await processorTime(victim.pid);
    await until('the model runs', async () => (await processorTime(victim.pid)) > busyFrom + 10);
    process.kill(victim.pid, 'SIGKILL');
    const { status, code } = await asked;
    assert.deepEqual([status, code], [502, 'model_process_died']);
    assert.equal((await ask('slow')).status, 200);
    await assertNothingLostOrChargedTwice();
  });

  it('of Postgres, stopped for 20 s, loses no usage and charges nothing twice', async (t) => {
    const seen = await underLoad(async () => {
      const pids = await kill(/postgres/, 'SIGSTOP');
      await delay(OUTAGE_MS);
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    });
    const count = (test: (answer: Answer) => boolean): number => seen.filter(test).length;
    t.diagnostic(
      `${count(({ status }) => status === 200)} answered well, ${count(({ degraded }) => degraded)} of them on the ` +
        `allowance, ${count(({ status }) => status === 503)} refused with 503`,
    );
    assert.ok(count(({ degraded }) => degraded) > 0, 'nothing was served while it was away');
    for (const { status, code } of seen) assert.ok([200, 503].includes(status), `answered ${status} ${code}`);
    await assertNothingLostOrChargedTwice();
  });

  it('of Postgres, killed, likewise', async () => {
    await underLoad(async () => {
      await kill(/bin\/postgres/, 'SIGKILL');
      await until('Postgres is back', () => /^postgres.* is back/im.test(product.output()));
    });
    await assertNothingLostOrChargedTwice();
  });

  for (const name of ['gateway', 'api'])
    it(`of the ${name}, killed with -9, likewise`, async () => {
      const seen = await underLoad(async () => {
        await kill(new RegExp(`control-plane/${name}/main\\.ts`), 'SIGKILL');
        await until(`the ${name} is back`, () => product.output().includes(`${name} is back`));
      });
      if (name === 'api') assert.ok(seen.every(({ status }) => status === 200));
      await assertNothingLostOrChargedTwice();
    });
});
