/**
 * A proxy in front of a real API server that fails in ways which a real one cannot be made to.
 *
 *     const proxy = await startFaultProxy(server.kubeconfig);
 *     const rule = proxy.inject({ on: 'watch', times: 3, fault: { kind: 'cut', afterBytes: 100 } });
 *     … a client with proxy.access or proxy.kubeconfig …
 *     rule.hits; rule.remove(); await proxy.stop();
 *
 * It speaks as the kubeconfig's user for whoever connects, so it listens on loopback only.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as send } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Access, loadAccess } from '../../operator/runtime/access.ts';
import { createMangler, type Mangling } from './api-mangler.ts';

export type Fault =
  /** An answer of the proxy's own; the server hears nothing of the request. */
  | { kind: 'answer'; status: number; reason?: string; retryAfterSeconds?: number }
  /** The request waits, then goes on. */
  | { kind: 'delay'; ms: number }
  /** A write is done, and its answer is lost. */
  | { kind: 'lose-answer' }
  | Mangling;

export interface Rule {
  on: 'list' | 'watch' | 'read' | 'write' | ((request: Exchange) => boolean);
  fault: Fault;
  /** Requests that it is done to; all, when left out. */
  times?: number;
}

export interface Injected {
  readonly hits: number;
  remove: () => void;
}

export interface Exchange {
  kind: 'list' | 'watch' | 'read' | 'write';
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  /** Of the server; undefined until it has answered. */
  status?: number;
}

export interface FaultProxy {
  url: string;
  access: Access;
  /** For a process of its own. */
  kubeconfig: string;
  /** Every request so far, in the order in which they came. */
  exchanges: readonly Exchange[];
  inject: (rule: Rule) => Injected;
  /** Cuts the watches that are open now. Answers how many. */
  cutWatches: () => number;
  /** Connections that clients hold open now. */
  connections: () => number;
  /** Nobody listens any more, and all connections are reset. */
  goAway: () => Promise<void>;
  /** Listens again where it did. */
  comeBack: () => Promise<void>;
  /** Called when the server has answered a write, before the client hears of it. */
  onWritten: (hook: ((exchange: Exchange) => Promise<void>) | undefined) => void;
  stop: () => Promise<void>;
}

interface ActiveRule extends Rule {
  hits: number;
}

export async function startFaultProxy(kubeconfig: string): Promise<FaultProxy> {
  const upstream = loadAccess(kubeconfig);
  const { headers, tls } = await upstream.credentials();
  const agent = new Agent({ ...tls, keepAlive: true });
  const rules = new Set<ActiveRule>();
  const exchanges: Exchange[] = [];
  const ended = new AbortController();
  const watches = new Set<Socket>();
  const sockets = new Set<Socket>();
  let onWritten: ((exchange: Exchange) => Promise<void>) | undefined;

  function faultsFor(exchange: Exchange): Fault[] {
    const found: Fault[] = [];
    for (const rule of rules) {
      if (rule.hits >= (rule.times ?? Infinity)) continue;
      if (typeof rule.on === 'function' ? !rule.on(exchange) : rule.on !== exchange.kind) continue;
      rule.hits += 1;
      found.push(rule.fault);
    }
    return found;
  }

  /** Events are lost by what holds when they come, not by what held when the watch began. */
  function losing(exchange: Exchange): boolean {
    return [...rules].some(
      ({ on, fault }) =>
        fault.kind === 'lose-events' && (typeof on === 'function' ? on(exchange) : on === exchange.kind),
    );
  }

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const exchange = describe(incoming);
    exchanges.push(exchange);
    const faults = faultsFor(exchange);
    for (const fault of faults)
      if (fault.kind === 'delay') await sleep(fault.ms, undefined, { signal: ended.signal });
    for (const fault of faults)
      if (fault.kind === 'answer') {
        incoming.resume();
        answer(outgoing, fault);
        return;
      }
    if (exchange.kind === 'watch') {
      watches.add(incoming.socket);
      outgoing.once('close', () => watches.delete(incoming.socket));
    }
    forward(incoming, outgoing, exchange, faults);
  }

  function forward(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    exchange: Exchange,
    faults: readonly Fault[],
  ): void {
    const onward = send(new URL(incoming.url ?? '/', upstream.server), {
      agent,
      method: exchange.method,
      headers: { ...incoming.headers, ...headers, host: upstream.server.host },
    });
    // Whichever side goes away takes the other with it.
    outgoing.once('close', () => onward.destroy());
    onward.once('error', () => outgoing.destroy());
    onward.once('response', (response) => {
      exchange.status = response.statusCode ?? 0;
      response.once('error', () => outgoing.destroy());
      void relay(response, outgoing, exchange, faults).catch(() => outgoing.destroy());
    });
    incoming.pipe(onward);
  }

  async function relay(
    response: IncomingMessage,
    outgoing: ServerResponse,
    exchange: Exchange,
    faults: readonly Fault[],
  ): Promise<void> {
    if (exchange.kind === 'write') await onWritten?.(exchange);
    if (faults.some(({ kind }) => kind === 'lose-answer')) {
      outgoing.destroy();
      return;
    }
    const head = { ...response.headers };
    if (faults.length > 0) delete head['content-length'];
    outgoing.writeHead(exchange.status ?? 0, head);
    outgoing.flushHeaders();
    const mangle = createMangler(faults, () => losing(exchange));
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const done = exchange.kind === 'watch' || faults.length > 0 ? mangle(chunk) : { bytes: chunk };
      if (done.bytes.byteLength > 0) outgoing.write(done.bytes);
      if (done.then === 'hold') {
        // Open for as long as the client leaves it open.
        await new Promise((resolve) => outgoing.once('close', resolve));
        return;
      }
      if (done.then === 'end') break;
      if (done.then === 'cut') {
        // What was written must have left, or it would be lost with the connection.
        await new Promise((resolve) => outgoing.write('', resolve));
        outgoing.destroy();
        return;
      }
    }
    outgoing.end();
  }

  const server = createServer((incoming, outgoing) => {
    void serve(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const listenAt = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const goAway = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  await listenAt(0);
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-api-faults-'));
  const file = join(folder, 'kubeconfig');
  await writeFile(file, kubeconfigFor(url), { mode: 0o600 });
  return {
    url,
    access: loadAccess(file),
    kubeconfig: file,
    exchanges,
    inject(rule) {
      const active: ActiveRule = { ...rule, hits: 0 };
      rules.add(active);
      return {
        get hits() {
          return active.hits;
        },
        remove: () => rules.delete(active),
      };
    },
    cutWatches() {
      const open = [...watches];
      for (const socket of open) socket.resetAndDestroy();
      return open.length;
    },
    connections: () => sockets.size,
    goAway,
    comeBack: () => listenAt(port),
    onWritten(hook) {
      onWritten = hook;
    },
    async stop() {
      ended.abort();
      if (server.listening) await goAway();
      agent.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function describe({ method = 'GET', url = '/' }: IncomingMessage): Exchange {
  const { pathname: path, searchParams: query } = new URL(url, 'http://localhost');
  if (method !== 'GET') return { kind: 'write', method, path, query };
  if (['true', '1'].includes(query.get('watch') ?? '')) return { kind: 'watch', method, path, query };
  return { kind: query.has('limit') ? 'list' : 'read', method, path, query };
}

function answer(
  outgoing: ServerResponse,
  { status, reason = 'Injected', retryAfterSeconds }: Extract<Fault, { kind: 'answer' }>,
): void {
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
  });
  outgoing.end(
    JSON.stringify({
      ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' },
      ...{ message: 'injected by the proxy', reason, code: status },
    }),
  );
}

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'faults',
    // Without it client-node refuses plain HTTP.
    clusters: [{ name: 'faults', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'faults', user: {} }],
    contexts: [{ name: 'faults', context: { cluster: 'faults', user: 'faults' } }],
  });
}
