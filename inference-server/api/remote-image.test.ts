import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { RequestError } from '../../foundation/errors.ts';
import { imageFetcher, type RemoteImages } from './remote-image.ts';

let server: Server;
let port: number;
let hosts: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    hosts.push(request.headers.host ?? '');
    if (request.url === '/to-inside')
      response.writeHead(302, { location: `http://inside.test:${port}/` }).end();
    else if (request.url === '/drops') request.socket.destroy();
    else response.end('picture');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const signal = new AbortController().signal;
const options = (): RemoteImages => ({
  enabled: true,
  schemes: ['http'],
  ports: [port],
  allowedNetworks: ['127.0.0.1/32'],
  maxRedirects: 2,
  timeoutSeconds: 2,
  maxBytes: 1000,
});

async function codeOf(fetching: Promise<unknown>): Promise<string> {
  return fetching.then(
    () => 'fetched',
    (error: unknown) => {
      assert.ok(error instanceof RequestError, String(error));
      return error.code;
    },
  );
}

describe('fetching a picture from an address', () => {
  it('resolves the name once, and connects to the address that was looked at', async () => {
    hosts = [];
    let asked = 0;
    // A name that answers with another address the second time: it is not asked a second time.
    const fetchImage = imageFetcher(options(), () =>
      Promise.resolve([{ address: ++asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]),
    );
    const bytes = await fetchImage(`http://pictures.test:${port}/a`, 'url', signal);
    assert.equal(bytes.toString(), 'picture');
    assert.deepEqual([asked, hosts], [1, [`pictures.test:${port}`]]);
  });

  it('refuses a name of which any address may not be reached', async () => {
    const fetchImage = imageFetcher(options(), () =>
      Promise.resolve([
        { address: '127.0.0.1', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ]),
    );
    assert.equal(
      await codeOf(fetchImage(`http://pictures.test:${port}/`, 'url', signal)),
      'remote_address_forbidden',
    );
  });

  it('looks again at every redirect', async () => {
    const fetchImage = imageFetcher(options(), (host) =>
      Promise.resolve([{ address: host === 'inside.test' ? '10.0.0.1' : '127.0.0.1', family: 4 }]),
    );
    const code = await codeOf(fetchImage(`http://pictures.test:${port}/to-inside`, 'url', signal));
    assert.equal(code, 'remote_address_forbidden');
  });

  it('tells nothing of why a connection failed, and keeps the reason for the log', async () => {
    const fetchImage = imageFetcher(options(), () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]));
    const error: unknown = await fetchImage(`http://pictures.test:${port}/drops`, 'url', signal).catch(
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof RequestError && error.cause instanceof Error);
    assert.match(error.message, /the connection failed/);
    assert.ok(!error.message.includes(error.cause.message));
  });

  it('gives up on a name that is not resolved in time', async () => {
    const slow = { ...options(), timeoutSeconds: 0.05 };
    const fetchImage = imageFetcher(slow, () => new Promise(() => undefined));
    assert.equal(
      await codeOf(fetchImage(`http://pictures.test:${port}/`, 'url', signal)),
      'remote_fetch_failed',
    );
  });
});
