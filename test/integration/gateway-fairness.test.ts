import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { bound } from '../../control-plane/gateway/config.ts';
import { until } from '../support/program.ts';
import { type Client, codeOf, createClient } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

let world: World;
let client: Client;
const sockets: Socket[] = [];
before(async () => {
  world = await createWorld();
  client = createClient(world);
});
after(async () => {
  for (const socket of sockets) socket.destroy();
  await world.close();
});

/** Sends a request's head and a part of its body, and waits. Gives what has come back by the time it is asked. */
function openUnfinished(path: string, headers: Record<string, string>): () => string {
  const { hostname, port } = new URL(world.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let received = '';
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  const lines = Object.entries({ host: '127.0.0.1', 'content-length': '1000', ...headers });
  socket.write(
    `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n{"na`,
  );
  return () => received;
}

const keyOf = (principal: string): string => world.keys[principal]?.key ?? '';

describe('one who takes all that can be had', () => {
  it('by bodies that never end, leaves the API to others and is told so', async () => {
    const answers = Array.from({ length: bound.perEndpoint + 20 }, () =>
      openUnfinished('/api/v1/anything', {
        authorization: `Bearer ${keyOf('vic')}`,
        'content-type': 'application/json',
      }),
    );
    await until(
      'those beyond the bound are refused',
      () =>
        answers.filter((received) => received().startsWith('HTTP/1.1 429')).length >=
        answers.length - bound.viewsOfPrincipal,
    );
    const response = await client.call('/api/v1/anything', 'ada', { method: 'POST', body: '{}' });
    assert.equal(response.status, 200, await response.text());
    await until('those within it are given up', () => answers.every((received) => received() !== ''));
    for (const received of answers) assert.match(received(), /^HTTP\/1\.1 (429|408) /);
    assert.ok(
      answers.every((received) =>
        /"code":"(too_many_in_flight|too_many_bodies|request_timeout)"/.test(received()),
      ),
    );
  });

  it('by event streams, leaves the service to others', async () => {
    const streams = new AbortController();
    const open = (principal: string): Promise<Response> =>
      client.call('/s/acme/pages/events', principal, { signal: streams.signal });
    const own = await Promise.all(Array.from({ length: bound.viewsOfPrincipal }, () => open('vic')));
    assert.deepEqual([...new Set(own.map(({ status }) => status))], [200]);
    assert.equal(await codeOf(await open('vic')), '429 too_many_in_flight');
    assert.equal((await open('ada')).status, 200);
    streams.abort();
    await until('the places are free again', async () => {
      const again = new AbortController();
      const { status } = await client.call('/s/acme/pages/events', 'vic', { signal: again.signal });
      again.abort();
      return status === 200;
    });
  });

  it('by bursts against a spent quota, gets no more than the quota, and nobody else notices', async () => {
    const burst = Promise.all(
      Array.from({ length: 400 }, () =>
        client.call('/s/quota/cutout/', 'quo', { method: 'POST', body: 'x' }),
      ),
    );
    const others = await Promise.all(
      Array.from({ length: 60 }, () => client.call('/s/burp/cutout/', 'bob', { method: 'POST', body: 'x' })),
    );
    for (const response of others) {
      assert.equal(response.status, 200, await response.text());
      assert.equal(response.headers.get('x-imageplane-degraded'), null);
    }
    const answers = await burst;
    assert.equal(answers.filter(({ status }) => status === 200).length, 2);
    const codes = new Set(await Promise.all(answers.filter(({ status }) => status !== 200).map(codeOf)));
    codes.delete('429 ledger_busy');
    assert.deepEqual([...codes], ['429 quota_spent']);
    assert.deepEqual((await world.readiness()).status, 200);
  });
});
