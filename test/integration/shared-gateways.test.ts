import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts, type RunningProgram, startProgram, until } from '../support/program.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { mostInAnyWindow } from '../support/windows.ts';
import { createClient, codeOf, type Client } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

const LIMIT = 500;
const MINUTE = 60_000;
const CLIENTS = 16;

let redis: TestRedis;
let world: World;
let client: Client;
let folder: string;
let second: RunningProgram;
let urls: string[];
let metrics: string[];

before(async () => {
  [redis, world] = await Promise.all([startRedis(), createWorld()]);
  client = createClient(world);
  folder = await mkdtemp(join(tmpdir(), 'imageplane-second-gateway-'));
  await world.publish(({ tenants }) => {
    Object.assign(tenants['acme']?.limits ?? {}, { requestsPerMinute: LIMIT });
    Object.assign(tenants['burp']?.limits ?? {}, { concurrency: 1 });
  });
  await world.gateway.stop();
  const sharedLimits = (name: string): object => ({ url: redis.url, gateways: 2, name });
  const ports = await freePorts('gateway', 'metrics');
  const address = (port: number): object => ({ host: '127.0.0.1', port });
  [second] = await Promise.all([
    startProgram('control-plane/gateway/main.ts', {
      ...world.config,
      listen: address(ports.gateway),
      metrics: address(ports.metrics),
      outbox: join(folder, 'outbox'),
      snapshot: { ...world.config.snapshot, cache: join(folder, 'snapshot.cache') },
      sharedLimits: sharedLimits('second'),
    }),
    world.startGateway({ sharedLimits: sharedLimits('first') }),
  ]);
  urls = [world.url, `http://127.0.0.1:${ports.gateway}`];
  metrics = [world.metricsUrl, `http://127.0.0.1:${ports.metrics}`];
  await until('both share the limits', together);
});

after(async () => {
  await second.stop('SIGKILL');
  await world.close();
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

async function together(): Promise<boolean> {
  const states = await Promise.all(
    metrics.map(async (url) =>
      /^imageplane_gateway_away\{what="limits"\} 0$/m.test(await (await fetch(`${url}/metrics`)).text()),
    ),
  );
  return states.every(Boolean);
}

const post = (url: string, path: string, principal: string): Promise<Response> =>
  fetch(url + path, { method: 'POST', headers: client.auth(principal), body: 'x' });

/** When each request of the tenant was admitted, by the gateways' own logs, and by which of them. */
function admissions(): { at: number; gateway: number }[] {
  return [world.gateway, second].flatMap((program, gateway) =>
    program
      .log()
      .split('\n')
      .filter((line) => line.includes('"admittedAt"') && line.includes('"tenant":"acme"'))
      .map((line) => ({ at: (JSON.parse(line) as { admittedAt: number }).admittedAt, gateway })),
  );
}

describe('two gateways with one Redis', { concurrency: false }, () => {
  it('have one tenant hold its concurrency over both', async () => {
    const hanging = new AbortController();
    const held = fetch(`${urls[0]}/s/burp/cutout/hang`, {
      method: 'POST',
      headers: client.auth('bob'),
      signal: hanging.signal,
    }).catch(() => undefined);
    await until('it is in flight', () => world.upstream.open() > 0);
    const refused = await post(urls[1] ?? '', '/s/burp/cutout/', 'bob');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(await codeOf(refused), '429 too_many_in_flight');
    hanging.abort();
    await held;
    await until(
      'there is room again',
      async () => (await post(urls[1] ?? '', '/s/burp/cutout/', 'bob')).status === 200,
    );
  });

  it('admit exactly 500 of 10,000 requests in any sliding minute, also across the loss of Redis', async (t) => {
    let over = false;
    let sent = 0;
    const statuses: Record<string, number> = {};
    const degraded = new Set<string | null>();
    const began = Date.now();
    const workers = Array.from({ length: CLIENTS }, async (_, index) => {
      while (!over) {
        const response = await post(urls[(index + sent) % 2] ?? '', '/s/acme/cutout/', 'ada');
        await response.text();
        sent++;
        statuses[response.status] = (statuses[response.status] ?? 0) + 1;
        degraded.add(response.headers.get('x-imageplane-degraded'));
        if (response.status !== 200) await delay(100);
      }
    });
    await delay(MINUTE + 3_000);
    const whole = admissions().filter(({ at }) => at < began + MINUTE);
    assert.equal(whole.length, LIMIT);
    await redis.kill('SIGKILL');
    const lost = Date.now();
    const alone = (): ReturnType<typeof admissions> => admissions().filter(({ at }) => at > lost + 1_000);
    await until(
      'both go on with their share',
      () => [0, 1].every((gateway) => alone().filter((one) => one.gateway === gateway).length >= LIMIT / 2),
      100_000,
    );
    const went = Date.now();
    assert.ok(degraded.has('limits'));
    await redis.restart();
    await until('both share the limits again', together);
    const back = Date.now();
    await until('the store admits again', () => admissions().some(({ at }) => at > back), 100_000);
    await until('10,000 were sent', () => sent >= 10_000, 120_000);
    over = true;
    await Promise.all(workers);
    // A request is logged when all is over, after its client has the answer.
    await until('all are in the logs', () => admissions().length >= (statuses['200'] ?? 0));
    const all = admissions();
    t.diagnostic(
      `${sent} requests in ${Math.round((Date.now() - began) / 1000)} s, answered ${JSON.stringify(statuses)}; ` +
        `${all.length} admitted, ${alone().filter(({ at }) => at < went).length} of them without Redis, ` +
        `the first ${Math.round(((alone()[0]?.at ?? 0) - lost) / 1000)} s after its loss`,
    );
    assert.equal(all.length, statuses['200']);
    assert.equal(
      mostInAnyWindow(
        all.map(({ at }) => at),
        MINUTE,
      ),
      LIMIT,
    );
  });
});
