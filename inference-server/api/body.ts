import type { IncomingMessage } from 'node:http';
import { refusal, RequestError } from '../../foundation/errors.ts';

export function bodyTooLarge(maxBytes: number): RequestError {
  return refusal('body_too_large', { limit: maxBytes });
}

/**
 * The chunks of a body, as they come, up to a bound. The request is left open when the bound is passed, so that it can
 * still be answered.
 * @throws RequestError `body_too_large`, `content_encoding_unsupported`, `client_disconnected`.
 */
export async function* boundedChunks(request: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new RequestError(
      415,
      'content_encoding_unsupported',
      `The body is encoded as ${encoding}. Send it without Content-Encoding: pictures are compressed already.`,
    );
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw bodyTooLarge(maxBytes);
  let total = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      total += bytes.length;
      if (total > maxBytes) throw bodyTooLarge(maxBytes);
      yield bytes;
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(499, 'client_disconnected', 'The client left before its body was whole.', {
      cause: error,
    });
  }
}

export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of boundedChunks(request, maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const DISCARD_MS = 10_000;

/**
 * Reads on, without keeping anything, after an answer that came before the whole body: closing at once would take the
 * answer from a client that is still sending. Up to `maxBytes`, or ten seconds; then the connection is broken.
 */
export function discardRest(request: IncomingMessage, maxBytes: number): void {
  if (request.complete || request.destroyed) return;
  let discarded = 0;
  const timer = setTimeout(() => request.destroy(), DISCARD_MS);
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length;
    if (discarded > maxBytes) request.destroy();
  });
  request.once('close', () => {
    clearTimeout(timer);
  });
  request.once('end', () => {
    clearTimeout(timer);
  });
  request.on('error', () => undefined);
}
