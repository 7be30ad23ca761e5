import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface JsonCall {
  method: string;
  url: URL;
  body: Record<string, unknown>;
  headers: IncomingHttpHeaders;
}

export interface JsonReply {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

export interface LocalServer {
  url: string;
  /** When set, it is answered instead, whatever is asked. */
  instead: { reply: JsonReply | undefined };
  close(): Promise<void>;
}

/** A loopback server of JSON in and out. */
export async function listenJson(answer: (call: JsonCall) => JsonReply): Promise<LocalServer> {
  const instead: LocalServer['instead'] = { reply: undefined };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const url = new URL(request.url ?? '/', 'http://local');
      const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
      const call = { method: request.method ?? '', url, body: parsed, headers: request.headers };
      const { status = 200, headers = {}, body } = instead.reply ?? answer(call);
      response.writeHead(status, { 'content-type': 'application/json;charset=utf-8', ...headers });
      response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    instead,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
