import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePorts, type RunningProgram, startProgram, until } from '../support/program.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createSigner, signedHeaders, type Signer } from '../support/signing.ts';
import { codeOf } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

const PATH = '/s/acme/cutout/';

let redis: TestRedis;
let world: World;
let folder: string;
let signer: Signer;
let second: RunningProgram;
let urls: string[];

before(async () => {
  [redis, world] = await Promise.all([startRedis(), createWorld()]);
  folder = await mkdtemp(join(tmpdir(), 'imageplane-nonces-test-'));
  signer = await createSigner(world, 'ada');
  await world.gateway.stop();
  const sharedLimits = (name: string): object => ({ url: redis.url, gateways: 2, name });
  const ports = await freePorts('gateway', 'metrics');
  const address = (port: number): object => ({ host: '127.0.0.1', port });
  [second] = await Promise.all([
    startProgram('control-plane/gateway/main.ts', {
      ...world.config,
      ...signer.config,
      listen: address(ports.gateway),
      metrics: address(ports.metrics),
      outbox: join(folder, 'outbox'),
      snapshot: { ...world.config.snapshot, cache: join(folder, 'snapshot.cache') },
      sharedLimits: sharedLimits('second'),
    }),
    world.startGateway({ ...signer.config, sharedLimits: sharedLimits('first') }),
  ]);
  urls = [world.url, `http://127.0.0.1:${ports.gateway}`];
  await until('both serve what is signed', async () => (await Promise.all(urls.map(served))).every(Boolean));
});

after(async () => {
  await second.stop('SIGKILL');
  await world.close();
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

const sign = (body: string): Record<string, string> =>
  signedHeaders(signer, { method: 'POST', path: PATH, body });
async function post(url: string, headers: Record<string, string>, body: string): Promise<string> {
  const response = await fetch(url + PATH, { method: 'POST', headers, body });
  if (!response.ok) return codeOf(response);
  await response.text();
  return String(response.status);
}
const served = async (url: string): Promise<boolean> => (await post(url, sign('x'), 'x')) === '200';
const everywhere = (headers: Record<string, string>, body: string): Promise<string[]> =>
  Promise.all(urls.map((url) => post(url, headers, body)));

describe('a signed request, with two gateways and one Redis', { concurrency: false }, () => {
  it('is served once by both together', async () => {
    const headers = sign('a');
    const answers = (await Promise.all([1, 2, 3, 4].map(() => everywhere(headers, 'a')))).flat();
    assert.deepEqual(answers.sort(), ['200', ...Array.from({ length: 7 }, () => '401 signature_replayed')]);
  });

  it('is not served again after a gateway was started anew', async () => {
    const headers = sign('b');
    assert.equal(await post(urls[0] ?? '', headers, 'b'), '200');
    await world.gateway.stop('SIGKILL');
    await world.startGateway({
      ...signer.config,
      sharedLimits: { url: redis.url, gateways: 2, name: 'first' },
    });
    await until('it serves what is signed', () => served(urls[0] ?? ''));
    assert.deepEqual(await everywhere(headers, 'b'), ['401 signature_replayed', '401 signature_replayed']);
  });

  it('is refused while the Redis is away, and after it came back empty when it was signed before', async () => {
    const headers = sign('c');
    assert.equal(await post(urls[0] ?? '', headers, 'c'), '200');
    await redis.kill('SIGKILL');
    const refused = ['503 signature_unverifiable', '503 signature_unverifiable'];
    await until(
      'both know that it is gone',
      async () => (await everywhere(headers, 'c')).join() === refused.join(),
    );
    assert.deepEqual(await everywhere(sign('d'), 'd'), refused);
    await redis.restart();
    // Limits that nobody remembers are closed for a window, but whether it is a replay is asked before.
    await until(
      'it can be told again',
      async () => !(await everywhere(sign('e'), 'e')).includes(refused[0] ?? ''),
    );
    assert.deepEqual(await everywhere(headers, 'c'), refused);
  });
});
