import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, before } from 'node:test';
import { createClient } from '../../integration/gateway/client.ts';
import { createWorld, type World } from '../../integration/gateway/setup.ts';
import { startUpstream, type Upstream } from '../../integration/gateway/upstream.ts';
import { until } from '../../support/program.ts';
import { stops } from '../attack.ts';

let world: World;
let upstream: Upstream;
let proxy: Server;
let backend: Socket;

before(async () => {
  [world, upstream] = await Promise.all([createWorld(), startUpstream()]);
  backend = connect(Number(new URL(upstream.url).port), '127.0.0.1');
  backend.on('error', () => undefined);
  proxy = naiveProxy(backend);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  backend.destroy();
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await upstream.close();
  await world.close();
});

const MOST_HEADERS = 100;

/**
 * Passes on so many headers at most, and the body as it comes, on one connection that it keeps. The parser has framed
 * the body by a header that is not passed on.
 */
function naiveProxy(connection: Socket): Server {
  const server = createServer((incoming, outgoing) => {
    const kept = incoming.rawHeaders.slice(0, 2 * MOST_HEADERS);
    const lines = kept.flatMap((name, index) =>
      index % 2 === 0 ? [`${name}: ${kept[index + 1] ?? ''}`] : [],
    );
    connection.write(
      `${incoming.method ?? ''} ${incoming.url ?? ''} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`,
    );
    incoming.pipe(connection, { end: false });
    connection.once('data', () => outgoing.end('answered'));
  });
  server.maxHeadersCount = 0;
  return server;
}

interface Target {
  port: number;
  path: string;
  headers: Record<string, string>;
  behind: Upstream;
}

const SMUGGLED = '/smuggled';

/** The last header frames the body, and the body is a request of its own, by nobody. */
async function attack({ port, path, headers, behind }: Target): Promise<boolean> {
  const body = `GET ${SMUGGLED} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const lines = [
    'Host: 127.0.0.1',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...Array.from({ length: MOST_HEADERS + 10 }, (_, index) => `a${index}: 1`),
    `Content-Length: ${body.length}`,
  ];
  const answered = await answerTo(port, `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  const smuggled = (): boolean => behind.seen.some(({ url }) => url === SMUGGLED);
  if (answered.startsWith('HTTP/1.1 200'))
    await until('the service has seen it', smuggled, 2_000).catch(() => undefined);
  return smuggled();
}

/** The first line of what comes back. */
async function answerTo(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('data', (data) => {
      resolve(data.toString('latin1'));
    });
    socket.once('error', reject);
  });
  socket.destroy();
  return answer;
}

stops('a request whose body is framed by a header beyond the bound', attack, {
  naive: (): Target => ({
    ...{ port: (proxy.address() as AddressInfo).port, path: '/', headers: {} },
    behind: upstream,
  }),
  ours: (): Target => ({
    ...{ port: Number(new URL(world.url).port), path: '/s/acme/cutout/' },
    headers: createClient(world).auth('ada'),
    behind: world.upstream,
  }),
});
