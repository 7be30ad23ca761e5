import { type IncomingMessage, request as httpRequest, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { hasCode, type RequestError } from '../../foundation/errors.ts';
import { endSocket } from './end-socket.ts';
import { bound } from './config.ts';
import type { Endpoint } from './endpoints.ts';
import type { Transfer } from './forward.ts';
import { refusal } from './messages.ts';

export interface UpgradeOptions {
  /** The client's connection, and what was read from it beyond the request. */
  socket: Duplex;
  head: Buffer;
  endpoint: Endpoint;
  path: string;
  headers: string[];
  timeoutMs: number;
  responseHeaders: (raw: string[]) => string[];
  transfer: Transfer;
  onAnswer: (status: number, stream: boolean) => void;
  signal: AbortSignal;
}

export type UpgradeResult =
  | { kind: 'completed'; status: number }
  | { kind: 'client-gone'; status: number | undefined }
  | { kind: 'failed'; error: RequestError; unreachable: boolean };

/** The most of a refusal that a service may answer in place of the upgrade. */
const MAX_REFUSAL_BYTES = 1024 * 1024;

/** Opens a WebSocket to the service and joins both connections until one ends or both fall silent. */
export function forwardUpgrade(options: UpgradeOptions): Promise<UpgradeResult> {
  const { socket, endpoint, signal } = options;
  return new Promise((resolve) => {
    const send = endpoint.url.protocol === 'https:' ? httpsRequest : httpRequest;
    const upstream = send({
      ...(endpoint.socketPath === undefined
        ? { host: endpoint.url.hostname.replace(/^\[|\]$/g, ''), port: endpoint.url.port }
        : { socketPath: endpoint.socketPath }),
      path: options.path,
      method: 'GET',
      headers: [...options.headers, 'connection', 'Upgrade', 'upgrade', 'websocket'],
      agent: false,
    });
    let status: number | undefined;
    let done = false;
    const finish = (result: UpgradeResult): void => {
      if (done) return;
      done = true;
      clearTimeout(deadline);
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const onAbort = (): void => {
      upstream.destroy();
      socket.destroy();
    };
    const deadline = setTimeout(() => {
      const error = refusal('upstream_timeout', { limit: Math.round(options.timeoutMs / 1000) });
      finish({ kind: 'failed', error, unreachable: false });
      upstream.destroy();
    }, options.timeoutMs);

    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => {
      upstream.destroy();
      finish({ kind: 'client-gone', status });
    });
    upstream.on('error', (error) => {
      if (status !== undefined) finish({ kind: 'completed', status });
      const unreachable = hasCode(error, 'ECONNREFUSED') || hasCode(error, 'ENOENT');
      const reason = refusal(unreachable ? 'upstream_unreachable' : 'upstream_failed');
      finish({ kind: 'failed', error: reason, unreachable });
    });
    upstream.on('response', (answer) => {
      status = answer.statusCode ?? 502;
      options.onAnswer(status, false);
      relayRefusal(answer, options, () => {
        finish({ kind: 'completed', status: status ?? 502 });
      });
    });
    upstream.on('upgrade', (answer, peer: Duplex, first) => {
      status = 101;
      clearTimeout(deadline);
      options.onAnswer(101, true);
      socket.write(
        wireHead(101, [
          ...options.responseHeaders(answer.rawHeaders),
          'connection',
          'Upgrade',
          'upgrade',
          'websocket',
        ]),
      );
      join(options, peer, first);
    });
    upstream.end();
  });
}

function wireHead(status: number, headers: string[]): Buffer {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2)
    text += `${headers[index] ?? ''}: ${headers[index + 1] ?? ''}\r\n`;
  return Buffer.from(`${text}\r\n`, 'latin1');
}

function join({ socket, head, transfer }: UpgradeOptions, peer: Duplex, first: Buffer): void {
  const silence = setTimeout(() => {
    socket.destroy();
    peer.destroy();
  }, bound.streamIdle);
  const end = (): void => {
    clearTimeout(silence);
    socket.destroy();
    peer.destroy();
  };
  const count = (key: keyof Transfer) => (chunk: Buffer) => {
    transfer[key] += chunk.length;
    silence.refresh();
  };
  socket.on('data', count('bytesIn'));
  peer.on('data', count('bytesOut'));
  for (const side of [socket, peer]) {
    side.on('error', end);
    side.once('close', end);
  }
  if (first.length > 0) {
    transfer.bytesOut += first.length;
    socket.write(first);
  }
  if (head.length > 0) {
    transfer.bytesIn += head.length;
    peer.write(head);
  }
  peer.pipe(socket);
  socket.pipe(peer);
}

/** The service answered something else than an upgrade: the client gets that. */
function relayRefusal(answer: IncomingMessage, options: UpgradeOptions, done: () => void): void {
  const { socket, transfer } = options;
  const headers = options
    .responseHeaders(answer.rawHeaders)
    .flatMap((name, index, all) =>
      index % 2 === 0 && name.toLowerCase() !== 'content-length' ? [name, all[index + 1] ?? ''] : [],
    );
  socket.write(wireHead(answer.statusCode ?? 502, [...headers, 'connection', 'close']));
  answer.on('data', (chunk: Buffer) => {
    transfer.bytesOut += chunk.length;
    if (transfer.bytesOut > MAX_REFUSAL_BYTES) answer.destroy();
    else socket.write(chunk);
  });
  answer.once('close', () => {
    endSocket(socket);
    done();
  });
}
