import { Pool } from 'undici';
import { routeTo } from '../../foundation/address.ts';
import { bound } from './config.ts';

/** How long an endpoint that refused a connection is passed over while there are others. */
const AVOID_MS = 2_000;

export interface Endpoint {
  url: URL;
  /** Where it is reached, if not at its URL's address. */
  socketPath: string | undefined;
  pool: Pool;
  /** Requests and streams open on it. */
  open: number;
  avoidUntil: number;
}

export interface Endpoints {
  /** The least busy endpoint, those that just failed last; undefined when all are full. The caller counts `open`. */
  pick(urls: readonly string[]): Endpoint | undefined;
  failed(endpoint: Endpoint): void;
  /** Closes the pools of all other endpoints once their requests have ended. */
  retain(urls: Iterable<string>): void;
  close(): Promise<void>;
}

/** One bounded pool for each endpoint: services never share a connection. */
export function createEndpoints(nowMs: () => number): Endpoints {
  const endpoints = new Map<string, Endpoint>();

  function endpointOf(text: string): Endpoint {
    let endpoint = endpoints.get(text);
    if (endpoint === undefined) {
      const { url, socketPath } = routeTo(text);
      const pool = new Pool(url.origin, {
        connections: bound.perEndpoint,
        pipelining: 1,
        allowH2: false,
        connect: { timeout: bound.connectTimeout, ...(socketPath === undefined ? {} : { socketPath }) },
        // Below the 5 s after which common servers close an idle connection, possibly as we write to it.
        keepAliveTimeout: 3_000,
        keepAliveMaxTimeout: 30_000,
        maxHeaderSize: 32 * 1024,
      });
      endpoint = { url, socketPath, pool, open: 0, avoidUntil: 0 };
      endpoints.set(text, endpoint);
    }
    return endpoint;
  }

  const load = ({ open, avoidUntil }: Endpoint): number =>
    open + (nowMs() < avoidUntil ? bound.perEndpoint : 0);

  return {
    pick(urls) {
      let best: Endpoint | undefined;
      for (const url of urls) {
        const endpoint = endpointOf(url);
        if (endpoint.open >= bound.perEndpoint) continue;
        if (best === undefined || load(endpoint) < load(best)) best = endpoint;
      }
      return best;
    },
    failed(endpoint) {
      endpoint.avoidUntil = nowMs() + AVOID_MS;
    },
    retain(urls) {
      const wanted = new Set(urls);
      for (const [text, { pool }] of endpoints) {
        if (wanted.has(text)) continue;
        endpoints.delete(text);
        void pool.close();
      }
    },
    async close() {
      await Promise.all([...endpoints.values()].map(({ pool }) => pool.destroy()));
    },
  };
}
