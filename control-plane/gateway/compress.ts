import { bound } from './config.ts';
import { pairs, type RawHeaders, valuesOf } from './headers.ts';

/** Text that grows smaller; `text/event-stream` must arrive event by event, and pictures are compressed already. */
const TEXT =
  /^(?:text\/(?!event-stream)[a-z0-9.+-]+|application\/(?:[a-z0-9.+-]+\+)?(?:json|javascript|xml)|image\/svg\+xml)$/;

/** RFC 9110 §12.5.3, for the one coding that there is. */
export function acceptsGzip(headers: RawHeaders): boolean {
  const wanted = new Map<string, number>();
  for (const part of valuesOf(headers, 'accept-encoding').join(',').split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const quality = parameters.find((text) => text.startsWith('q='))?.slice(2);
    wanted.set(name, quality === undefined ? 1 : Number(quality));
  }
  return (wanted.get('gzip') ?? wanted.get('*') ?? 0) > 0;
}

/**
 * BREACH: who can have a browser send text of their choice that is answered beside a secret learns the secret from the
 * size. A key or token is sent by none but its owner; a cookie or a password goes along with what other sites cause, so
 * that then only what a page of this origin asks for is compressed, and such a page could read the answer anyway.
 */
export function mayCompress(headers: RawHeaders, ambient: boolean): boolean {
  if (!acceptsGzip(headers)) return false;
  return !ambient || valuesOf(headers, 'sec-fetch-site').join() === 'same-origin';
}

function single(headers: RawHeaders, name: string): string {
  return valuesOf(headers, name).join(',').trim().toLowerCase();
}

/** Whether an answer is worth it and nothing speaks against it. One without a length may be a stream, and is left alone. */
export function isCompressible(method: string, status: number, headers: RawHeaders): boolean {
  if (method === 'HEAD' || status < 200 || [204, 205, 206, 304].includes(status)) return false;
  const length = Number(single(headers, 'content-length') || Number.NaN);
  if (!(length >= bound.gzipFrom && length <= bound.gzipTo)) return false;
  if (!TEXT.test(single(headers, 'content-type').split(';', 1)[0]?.trim() ?? '')) return false;
  if (single(headers, 'cache-control').includes('no-transform')) return false;
  return ['content-encoding', 'content-range', 'content-digest', 'content-md5', 'digest'].every(
    (name) => valuesOf(headers, name).length === 0,
  );
}

/** The headers of the compressed answer: another representation, without a length, and with no strong validator. */
export function gzipHeaders(headers: RawHeaders): string[] {
  const kept: string[] = [];
  for (const [name, value] of pairs(headers)) {
    const lower = name.toLowerCase();
    if (lower === 'content-length' || lower === 'accept-ranges') continue;
    kept.push(name, lower === 'etag' && value.startsWith('"') ? `W/${value}` : value);
  }
  return [...kept, 'content-encoding', 'gzip'];
}
