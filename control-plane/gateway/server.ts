import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { type SecureContextOptions, TLSSocket } from 'node:tls';
import { toRequestError } from '../../foundation/errors.ts';
import { canonicalAddress } from '../access/addresses.ts';
import { endSocket } from './end-socket.ts';
import { addressBlock } from './client-address.ts';
import { bound } from './config.ts';
import { corsOf, withCors } from './cors.ts';
import { type Arrival, callerOf, inspect, pathForRecords } from './edge.ts';
import { audit, conclude, type Exchange, type Gateway, type Outcome } from './exchange.ts';
import { hasBody } from './forward.ts';
import { type MessageCode, refusal } from './messages.ts';
import { healthz, home, noContent, redirect, signInHelps, toSignIn, wantsPage } from './own-routes.ts';
import { errorAnswer, linger, type OwnAnswer, send, wireResponse } from './respond.ts';
import { type Call, type Connection, serveCall } from './serve-call.ts';
import { prepareApiCall, prepareAuthCall, prepareServiceCall } from './service.ts';
import { type Route, type Target, routeOf } from './target.ts';

export interface GatewayServer {
  server: Server;
  /** Answers what comes from now on with 503, and lets what is being served end within `graceMs`. */
  drain: (graceMs: number) => Promise<void>;
  /** Another certificate for connections from now on. */
  renew: (tls: SecureContextOptions) => void;
}

type Served = { kind: 'own'; answer: OwnAnswer } | { kind: 'call'; call: Call };

const NO_TARGET: Target = { raw: '/', path: '/', query: '' };

/**
 * The edge of the product: one handler for requests and one for upgrades, both through the same checks. With `tls` it
 * speaks HTTPS alone.
 */
export function createGatewayServer(gateway: Gateway, tls?: SecureContextOptions): GatewayServer {
  let stopping = false;
  const upgraded = new Set<Duplex>();
  const answering = new WeakMap<Duplex, ServerResponse>();

  const options = {
    maxHeaderSize: bound.headerBytes,
    headersTimeout: bound.headersTimeout,
    requestTimeout: bound.requestTimeout,
    keepAliveTimeout: bound.keepAlive,
    connectionsCheckingInterval: 2_000,
    insecureHTTPParser: false,
    noDelay: true,
    // Any other upgrade, such as h2c, is answered as the plain request that it also is.
    shouldUpgradeCallback: (request: IncomingMessage) =>
      request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket',
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    guard(request, serveRequest(request, response, false));
  };
  const secured =
    tls === undefined
      ? undefined
      : createTlsServer({ ...options, ...tls, handshakeTimeout: bound.handshake }, onRequest);
  const server: Server = secured ?? createServer(options, onRequest);
  server.maxHeadersCount = 0;
  server.maxConnections = bound.connections;
  const connections = new Map<string, number>();
  server.on('connection', (socket) => {
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    // A proxy brings everybody's.
    if (gateway.trusted.has(peer)) return;
    const from = addressBlock(peer);
    const count = (connections.get(from) ?? 0) + 1;
    connections.set(from, count);
    socket.once('close', () => {
      const left = (connections.get(from) ?? 1) - 1;
      if (left === 0) connections.delete(from);
      else connections.set(from, left);
    });
    if (count > bound.connectionsOfAddress) socket.destroy();
  });

  async function serveRequest(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> {
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    answering.set(request.socket, response);
    const exchange = begin(gateway, request, false);
    if (hasBody(request))
      exchange.readBody = (wanted) => {
        if (expectsContinue && !body.coming) {
          response.writeContinue();
          body.coming = true;
        }
        return gateway.spool.read(request, { ...wanted, from: addressBlock(exchange.client.address) });
      };
    // A client that still waits for `100 Continue` has no body on its way.
    const body = { coming: !expectsContinue, drained: false };
    const connection: Connection = {
      kind: 'http',
      request,
      response,
      expectsContinue,
      onContinue: () => {
        body.coming = true;
      },
    };
    const outcome = await attempt(exchange, request, connection, async (answer) => {
      body.drained = true;
      if (response.headersSent) response.destroy();
      else await send(request, response, answer, body.coming);
    });
    // The service answered before it had the whole body.
    if (body.coming && !body.drained && !request.complete && !request.destroyed) {
      if (!(await linger(request))) request.destroy();
    }
    await finish(exchange, outcome);
  }

  /** One request's fault must not end the process that serves the others. */
  function guard(request: IncomingMessage, served: Promise<void>): void {
    served.catch((error: unknown) => {
      gateway.logger.error({ err: error }, 'a request failed outside its handler');
      request.destroy();
    });
  }

  async function serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    const exchange = begin(gateway, request, true);
    const outcome = await attempt(exchange, request, { kind: 'upgrade', socket, head }, (answer) => {
      endSocket(socket, wireResponse(answer));
      return Promise.resolve();
    });
    await finish(exchange, outcome);
  }

  /** Serves one request; whatever is thrown becomes an answer. */
  async function attempt(
    exchange: Exchange,
    request: IncomingMessage,
    connection: Connection,
    reply: (answer: OwnAnswer) => Promise<void>,
  ): Promise<Outcome> {
    let label: Exchange['route'] = exchange.route;
    try {
      if (stopping) throw refusal('stopping', { retryAfter: 5 }, { connection: 'close' });
      const { target, host } = inspect(arrivalOf(request), gateway.hosts);
      Object.assign(exchange, { target, host });
      const route = routeOf(target);
      label = exchange.route = labelOf(route);
      if (label === 'service' || label === 'api')
        exchange.cors = corsOf(exchange.method, exchange.rawHeaders, gateway.origins);
      gateway.metrics.inFlight.inc({ route: label });
      try {
        const served = await serve(exchange, route);
        if (served.kind === 'call') return await serveCall(gateway, exchange, served.call, connection);
        const { refusedWith: code } = exchange;
        await reply(withCors(served.answer, exchange.cors));
        return { status: served.answer.status, ...(code === undefined ? {} : { code }) };
      } finally {
        gateway.metrics.inFlight.dec({ route: label });
      }
    } catch (thrown) {
      return answerError(exchange, thrown, reply);
    }
  }

  async function answerError(
    exchange: Exchange,
    thrown: unknown,
    reply: (answer: OwnAnswer) => Promise<void>,
  ): Promise<Outcome> {
    const error = toRequestError(thrown);
    if (error.code === 'internal')
      gateway.logger.error({ err: thrown, requestId: exchange.id, path: exchange.path }, 'internal error');
    const outcome: Outcome = { status: error.status, code: error.code };
    if (signInHelps(exchange, error)) {
      const answer = toSignIn(exchange);
      await reply(answer);
      return { status: answer.status };
    }
    const answer = errorAnswer(error, exchange.id, exchange.language, wantsPage(exchange));
    await reply(withCors(answer, exchange.cors));
    return outcome;
  }

  async function serve(exchange: Exchange, route: Route): Promise<Served> {
    if (exchange.cors.kind === 'refused') throw refusal('origin_not_listed');
    // Browsers show no credential with it: whether the request itself is allowed, it will say.
    if (exchange.cors.kind === 'preflight') return { kind: 'own', answer: noContent(exchange) };
    switch (route.kind) {
      case 'service':
        return { kind: 'call', call: await prepareServiceCall(gateway, exchange, route) };
      case 'api':
        return { kind: 'call', call: await prepareApiCall(gateway, exchange) };
      case 'service-root':
        return { kind: 'own', answer: redirect(exchange, 308, route.location) };
      case 'home':
        return { kind: 'own', answer: home(exchange) };
      case 'healthz':
        return { kind: 'own', answer: healthz(exchange) };
      case 'auth':
        return { kind: 'call', call: await prepareAuthCall(gateway, exchange) };
      case 'unknown-service':
        throw refusal('service_not_found');
      case 'none':
        throw refusal('not_found');
    }
  }

  async function finish(exchange: Exchange, outcome: Outcome): Promise<void> {
    await exchange.spooled?.dispose();
    await audit(gateway, exchange, outcome);
    conclude(gateway, exchange, outcome);
  }

  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    guard(request, serveRequest(request, response, true));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    guard(request, serveUpgrade(request, socket, head));
  });
  server.on('clientError', (error: Error & { code?: string }, socket: Duplex) => {
    // In the middle of an answer there is no place for another.
    if (answering.get(socket)?.headersSent === true) socket.destroy();
    else answerUnparsable(gateway, error, socket);
  });

  return {
    server,
    renew(context) {
      secured?.setSecureContext(context);
    },
    async drain(graceMs) {
      stopping = true;
      const cut = setTimeout(() => {
        server.closeAllConnections();
        for (const socket of upgraded) socket.destroy();
      }, graceMs);
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeIdleConnections();
      });
      clearTimeout(cut);
    },
  };
}

function arrivalOf(request: IncomingMessage): Arrival {
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    rawHeaders: request.rawHeaders,
    remoteAddress: request.socket.remoteAddress,
    encrypted: request.socket instanceof TLSSocket,
  };
}

function begin(gateway: Gateway, request: IncomingMessage, upgrade: boolean): Exchange {
  const arrival = arrivalOf(request);
  return {
    ...callerOf(arrival, gateway.trusted),
    id: gateway.newId(),
    at: gateway.now(),
    startedMs: gateway.monotonicMs(),
    method: arrival.method,
    path: pathForRecords(arrival.url),
    rawHeaders: arrival.rawHeaders,
    upgrade,
    route: 'none',
    host: '',
    cors: { kind: 'off' },
    target: NO_TARGET,
    tenant: '',
    principal: '',
    action: '',
    resource: '',
    allowed: false,
    rule: 'edge',
    transfer: { bytesIn: 0, bytesOut: 0 },
    serviceMs: 0,
    reachedService: false,
    audited: false,
    readBody: undefined,
    spooled: undefined,
    keyId: undefined,
    admittedAt: undefined,
    refusedWith: undefined,
  };
}

function labelOf({ kind }: Route): Exchange['route'] {
  if (kind === 'service' || kind === 'service-root' || kind === 'unknown-service') return 'service';
  return kind;
}

/** What Node's parser refused: answered in the shape of every other error, then closed. */
function answerUnparsable(gateway: Gateway, error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET' || socket.writableLength > 0) {
    socket.destroy();
    return;
  }
  const codes: Record<string, MessageCode> = {
    HPE_HEADER_OVERFLOW: 'headers_too_large',
    ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  };
  const thrown = refusal(codes[error.code ?? ''] ?? 'malformed_request', { limit: bound.headerBytes });
  gateway.metrics.refusals.inc({ code: thrown.code });
  endSocket(socket, wireResponse(errorAnswer(thrown, gateway.newId(), 'en')));
}
