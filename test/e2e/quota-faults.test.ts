import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import sharp from 'sharp';
import { onnxService, type Product, startProduct, tenantYaml, tinyModelYaml } from '../support/product.ts';
import { until } from '../support/program.ts';

const CLIENTS = 64;
const QUOTA = 2_000;

let product: Product;
let picture: Uint8Array<ArrayBuffer>;
let over = false;
const answered: string[] = [];
const codes: Record<string, number> = {};

before(async () => {
  product = await startProduct({
    objects: async (folder) => [
      tenantYaml('quota', {
        plan: 'enterprise',
        limits: { requestsPerMinute: 1_000_000, requestsPerDay: QUOTA, requestsPerMonth: 2 * QUOTA },
      }),
      await tinyModelYaml(folder, 'quick', { width: 16, height: 16 }),
      onnxService('quota', 'quick', 'quick', { queue: { depth: 128 } }),
    ],
  });
  picture = Uint8Array.from(
    await sharp({ create: { width: 16, height: 16, channels: 3, background: '#3355aa' } })
      .png()
      .toBuffer(),
  );
});

after(async () => {
  await product.stop();
});

async function ask(): Promise<string> {
  try {
    const response = await fetch(`${product.url}/s/quota/quick/v1/cutouts`, {
      method: 'POST',
      headers: { authorization: `Bearer ${product.key}`, 'content-type': 'image/png' },
      body: picture,
    });
    const text = await response.text();
    if (response.status === 200) answered.push(response.headers.get('x-request-id') ?? '');
    return response.ok ? '200' : (JSON.parse(text) as { error: { code: string } }).error.code;
  } catch {
    return 'connection';
  }
}

async function number(text: string): Promise<number> {
  const { rows } = await product.database.query<{ n: string }>(`SELECT (${text}) AS n`);
  return Number(rows[0]?.n);
}

const COUNTED = `SELECT coalesce(sum(requests), 0) FROM imageplane.quota_counter WHERE period = 'day'`;
const HELD = `SELECT coalesce(sum(requests), 0) FROM imageplane.reservation WHERE state IN ('reserved', 'charged')`;
const CHARGED = `SELECT coalesce(sum(requests), 0) FROM imageplane.reservation WHERE state = 'charged'`;
const OPEN = `SELECT count(*) FROM imageplane.reservation WHERE state = 'reserved'`;

/** Time is given to what only time settles. */
const expire = (): Promise<number> =>
  number(`SELECT imageplane.expire_reservations(now() + interval '1 hour')`);

async function kill(command: RegExp, name: string): Promise<void> {
  const before = product.output().split(`${name} is back`).length;
  for (const { pid } of await product.processes(command)) process.kill(pid, 'SIGKILL');
  await until(
    `${name} is back`,
    () => product.output().toLowerCase().split(`${name} is back`).length > before,
    60_000,
  );
}

describe('a quota under 64 clients, with gateway, API and Postgres killed in turn', () => {
  it('is never exceeded, strands nothing, and its counters equal its ledger to the unit', async (t) => {
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (!over) {
        const code = await ask();
        codes[code] = (codes[code] ?? 0) + 1;
        if (code !== '200') await delay(200);
      }
    });
    let watched = 0;
    let most = 0;
    const watch = (async () => {
      while (!over) {
        most = Math.max(most, await number(COUNTED).catch(() => 0));
        watched++;
        await delay(20);
      }
    })();
    const faults: [RegExp, string][] = [
      [/control-plane\/gateway\/main\.ts/, 'gateway'],
      [/control-plane\/api\/main\.ts/, 'api'],
      [/bin\/postgres/, 'postgres'],
    ];
    for (const [command, name] of faults) {
      const from = answered.length;
      await until(`requests are answered before ${name} is killed`, () => answered.length > from + 50);
      await kill(command, name);
    }
    await until('the quota is spent', () => (codes['quota_spent'] ?? 0) > CLIENTS, 120_000);
    over = true;
    await Promise.all([...clients, watch]);

    await until('all is settled', async () => (await number(OPEN)) === 0 || (await expire()) > 0, 60_000);
    // What was stranded by the kills can be used now, to the last unit.
    const stranded = QUOTA - (await number(COUNTED));
    // A gateway asks about a spent quota once a second.
    await until(
      'the rest is used',
      async () => (await ask()) === 'quota_spent' && (await number(COUNTED)) === QUOTA,
      60_000,
    );
    await until(
      'all is settled again',
      async () => (await number(OPEN)) === 0 && (await number(CHARGED)) === (await number(COUNTED)),
      60_000,
    ).catch(async () => {
      await expire();
    });
    t.diagnostic(
      `${answered.length} answered, the counter was at ${most} at most in ${watched} looks, ${stranded} given back ` +
        `by expiry; answers: ${JSON.stringify(codes)}`,
    );
    assert.ok(most <= QUOTA);
    assert.ok(answered.length <= QUOTA);
    assert.equal(new Set(answered).size, answered.length);
    assert.equal(await number(HELD), await number(COUNTED));
    assert.equal(await number(CHARGED), QUOTA);
    assert.equal(await number('SELECT sum(requests) FROM imageplane.usage_daily'), QUOTA);
    assert.equal(await number('SELECT count(*) FROM imageplane.reconcile_quota(now())'), 0);
    const { rows } = await product.database.query<{ id: string }>(
      `SELECT id FROM imageplane.reservation WHERE state = 'charged'`,
    );
    const charged = new Set(rows.map(({ id }) => id));
    assert.deepEqual(
      answered.filter((id) => !charged.has(id)),
      [],
      'answered and not charged',
    );
  });
});
