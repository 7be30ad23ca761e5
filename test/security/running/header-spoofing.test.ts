import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before } from 'node:test';
import { createClient } from '../../integration/gateway/client.ts';
import { createWorld, type World } from '../../integration/gateway/setup.ts';
import { stops } from '../attack.ts';

let world: World;
let proxy: Server;

before(async () => {
  world = await createWorld();
  proxy = naiveProxy(world.upstream.url);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await world.close();
});

/** Takes off the header that it sets itself and what `Connection` names, as the standard demands. */
function naiveProxy(upstream: string): Server {
  return createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers };
    delete headers['x-user-id'];
    headers['x-user-id'] = 'ada';
    for (const name of (incoming.headers.connection ?? '').split(',')) {
      const hop = name.trim().toLowerCase();
      headers[hop] = undefined;
    }
    const kept = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
    request(upstream + (incoming.url ?? '/'), { headers: kept }, (answer) => {
      answer.pipe(outgoing);
    }).end();
  });
}

interface Target {
  url: string;
  headers: Record<string, string>;
}
const targets = {
  naive: (): Target => ({ url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`, headers: {} }),
  ours: (): Target => ({ url: `${world.url}/s/acme/pages/`, headers: createClient(world).auth('ada') }),
};

/** What a service reads as `X-User-Id`: by CGI `_` and `-` are one letter, and some servers drop both. */
async function seenBehind({ url, headers }: Target, spoofed: Record<string, string>): Promise<string[]> {
  await new Promise<void>((resolve, reject) => {
    request(url, { headers: { ...headers, ...spoofed } }, (response) => {
      response.resume().once('end', resolve);
    })
      .once('error', reject)
      .end();
  });
  const raw = world.upstream.seen.at(-1)?.rawHeaders ?? [];
  return raw.filter(
    (_value, index) =>
      index % 2 === 1 && raw[index - 1]?.toLowerCase().replace(/[^a-z0-9]/g, '') === 'xuserid',
  );
}

for (const name of ['X_User_Id', 'x_user-id', 'XUserId', 'X.User.Id'])
  stops(
    `an identity in ${name}`,
    async (target: Target) => (await seenBehind(target, { [name]: 'root' })).includes('root'),
    targets,
  );
stops(
  "a Connection header that has the proxy's own identity header taken off",
  async (target: Target) => (await seenBehind(target, { connection: 'close, x-user-id' })).length === 0,
  targets,
);
