import type { IncomingMessage } from 'node:http';
import { messageOf, RequestError } from '../../foundation/errors.ts';
import { refusal } from '../messages.ts';

/**
 * The chunks of a body, as they come, up to a bound. The request is left open when the bound is passed, so that it can
 * still be answered.
 * @throws RequestError `body_too_large`, `content_encoding_unsupported`, `client_disconnected`.
 */
export async function* boundedChunks(request: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw refusal('content_encoding_unsupported', { encoding });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes)
    throw refusal('body_too_large', { maxBytes });
  let total = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      total += bytes.length;
      if (total > maxBytes) throw refusal('body_too_large', { maxBytes });
      yield bytes;
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw refusal('client_disconnected', {}, { cause: error });
  }
}

export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of boundedChunks(request, maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * A JSON body, up to a bound and whatever its type is declared as; an empty one is an empty object.
 * @throws RequestError `malformed_json`, and what `boundedChunks` throws.
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const body = await readBody(request, maxBytes);
  return parseJson(body.length === 0 ? '{}' : body.toString('utf8'));
}

/** @throws RequestError `malformed_json`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refusal('malformed_json', { problem: messageOf(error) });
  }
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
