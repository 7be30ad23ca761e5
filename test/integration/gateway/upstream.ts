import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

/** A service as small as it can be that does what real ones do: echo, stream, fail, hang, refuse early. */
export interface Upstream {
  url: string;
  /** Requests as they arrived, newest last. */
  seen: { method: string; url: string; headers: IncomingHttpHeaders; rawHeaders: string[] }[];
  /** Bytes of bodies read. */
  received: () => number;
  /** Connections to event streams and hanging requests that are open. */
  open: () => number;
  /** Lets the next events out. */
  emit(text: string): void;
  close(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const seen: Upstream['seen'] = [];
  const streams = new Set<(text: string) => void>();
  let received = 0;
  let open = 0;

  const server: Server = createServer((request, response) => {
    note(request);
    const path = (request.url ?? '').split('?', 1)[0];
    request.on('data', (chunk: Buffer) => (received += chunk.length));
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      open++;
      const emit = (text: string): void => void response.write(`data: ${text}\n\n`);
      streams.add(emit);
      response.once('close', () => {
        open--;
        streams.delete(emit);
      });
    } else if (path === '/hang') {
      open++;
      response.once('close', () => open--);
    } else if (path === '/fail') response.writeHead(500).end('failed');
    else if (path === '/break') {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('half', () => response.destroy());
    } else if (path === '/refuse-early') response.writeHead(422).end('no need to read all that');
    else if (path === '/page') {
      response.writeHead(200, {
        'content-type': 'text/html',
        'set-cookie': ['app=1; Path=/; Domain=example.com', 'imageplane_session=evil; Path=/'],
        'service-worker-allowed': '/',
      });
      response.end('<h1>page</h1>');
    } else if (path === '/text') {
      const { searchParams } = new URL(request.url ?? '/', 'http://service');
      const body = 'text that grows smaller, '.repeat(Math.ceil(Number(searchParams.get('bytes')) / 25));
      response.writeHead(200, {
        'content-type': searchParams.get('type') ?? 'application/json',
        'content-length': body.length,
        etag: '"1"',
        'access-control-allow-origin': '*',
        'access-control-allow-credentials': 'true',
        ...Object.fromEntries([...searchParams].filter(([name]) => !['bytes', 'type'].includes(name))),
      });
      response.end(body);
    } else if (path === '/moved') response.writeHead(302, { location: '/page' }).end();
    else if (path === '/upload-echo') request.pipe(response);
    else request.once('end', () => response.end(`echo ${request.method ?? ''} ${request.url ?? ''}`));
  });
  const sockets = new WebSocketServer({ server, path: '/socket' });
  sockets.on('connection', (socket, request) => {
    note(request);
    socket.on('message', (message: Buffer, binary) => {
      socket.send(message, { binary });
    });
  });

  function note({ method = '', url = '', headers, rawHeaders }: IncomingMessage): void {
    seen.push({ method, url, headers, rawHeaders });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    received: () => received,
    open: () => open,
    emit: (text) => {
      for (const emit of streams) emit(text);
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
