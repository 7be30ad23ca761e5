import { createServer, type Server } from 'node:net';

/**
 * Below the range from which systems take ports for outgoing connections, so that none of those takes a port between
 * the moment it is chosen and the moment its program listens on it.
 */
const FIRST = 20_000;
const COUNT = 12_000;
const ATTEMPTS = 200;

/** Why a loopback port cannot be listened on now; undefined when it can. */
export async function portProblem(port: number, host: string): Promise<string | undefined> {
  const result = await hold(port, host);
  if (typeof result === 'string') return result;
  await release(result);
  return undefined;
}

/** So many different free loopback ports. */
export async function freePorts(count: number, random: () => number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  try {
    for (let attempt = 0; ports.length < count; attempt++) {
      if (attempt >= ATTEMPTS + count) throw new Error('There are no free ports on loopback.');
      const port = FIRST + Math.floor(random() * COUNT);
      const server = await hold(port, '127.0.0.1');
      if (typeof server === 'string') continue;
      held.push(server);
      ports.push(port);
    }
    return ports;
  } finally {
    await Promise.all(held.map(release));
  }
}

async function hold(port: number, host: string): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      resolve('code' in error && typeof error.code === 'string' ? error.code : error.message);
    });
    server.listen({ port, host, exclusive: true }, () => {
      resolve(server);
    });
  });
}

async function release(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}
