import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CryptoKey } from 'jose';
import { signSnapshot, type Snapshot } from '../../../contracts/snapshot.ts';

export interface SnapshotServer {
  url: string;
  /** What the gateway presents. */
  apiUrl: string;
  publish(snapshot: Snapshot): Promise<void>;
  /** Answers for `/auth/…`. */
  auth: { handler: RequestListener | undefined };
  /** How often it was asked, and how often it could say «unchanged». */
  polls: () => { all: number; unchanged: number };
  /** Requests to `/api/…`, as the API would get them. */
  apiSeen: { url: string; assertion: string | undefined }[];
  /** While false, it answers 500. */
  up: { value: boolean };
  close(): Promise<void>;
}

/** What the gateway needs of the API: the signed snapshot by ETag, and a place for `/api`. */
export async function startSnapshotServer(token: string, key: CryptoKey): Promise<SnapshotServer> {
  let current = { body: '', etag: '' };
  let all = 0;
  let unchanged = 0;
  const up = { value: true };
  const apiSeen: SnapshotServer['apiSeen'] = [];
  const auth: SnapshotServer['auth'] = { handler: undefined };
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/auth/') === true && auth.handler !== undefined) {
      auth.handler(request, response);
      return;
    }
    if (request.url?.startsWith('/api/') === true) {
      const assertion = request.headers['x-imageplane-assertion'];
      apiSeen.push({ url: request.url, assertion: typeof assertion === 'string' ? assertion : undefined });
      response.end('api');
      return;
    }
    all++;
    if (!up.value) response.writeHead(500).end();
    else if (request.headers.authorization !== `Bearer ${token}`) response.writeHead(401).end();
    else if (request.headers['if-none-match'] === current.etag) {
      unchanged++;
      response.writeHead(304, { etag: current.etag }).end();
    } else response.writeHead(200, { etag: current.etag }).end(current.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/internal/v1/snapshot`,
    apiUrl: origin,
    async publish(snapshot) {
      current = { body: await signSnapshot(snapshot, key), etag: `"${snapshot.version}"` };
    },
    polls: () => ({ all, unchanged }),
    apiSeen,
    auth,
    up,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
