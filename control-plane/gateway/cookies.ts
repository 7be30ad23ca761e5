import { isOwnCookie, sessionCookieName } from '../../contracts/session.ts';
import { type RawHeaders, valuesOf } from './headers.ts';

function cookiePairs(headers: RawHeaders): { name: string; text: string; value: string }[] {
  return valuesOf(headers, 'cookie')
    .flatMap((value) => value.split(';'))
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((text) => {
      const equals = text.indexOf('=');
      return equals === -1
        ? { name: '', text, value: text }
        : { name: text.slice(0, equals).trim(), text, value: text.slice(equals + 1).trim() };
    });
}

/** Every session cookie sent: more than one means that somebody else has planted one. */
export function sessionCookies(headers: RawHeaders, secure: boolean): string[] {
  return cookiePairs(headers)
    .filter(({ name }) => name === sessionCookieName(secure))
    .map(({ value }) => value);
}

/**
 * The `Cookie` header without the product's own, in any case, and without those that have no name, which servers read
 * in different ways; undefined when nothing is left.
 */
export function cookiesForService(headers: RawHeaders): string | undefined {
  const kept = cookiePairs(headers).filter(({ name }) => name !== '' && !isOwnCookie(name));
  return kept.length === 0 ? undefined : kept.map(({ text }) => text).join('; ');
}

/** The `Cookie` header with the product's own alone, for `/auth`. */
export function ownCookies(headers: RawHeaders): string | undefined {
  const kept = cookiePairs(headers).filter(({ name }) => isOwnCookie(name));
  return kept.length === 0 ? undefined : kept.map(({ text }) => text).join('; ');
}

/**
 * A service's `Set-Cookie`, kept to the service: all services share one host, so its path is put under the service's
 * and its domain removed. Undefined for a cookie with a name of the product's own.
 */
export function scopedSetCookie(value: string, prefix: string): string | undefined {
  const [pair = '', ...attributes] = value.split(';').map((part) => part.trim());
  const name = pair.split('=')[0]?.trim() ?? '';
  if (isOwnCookie(name) || name.toLowerCase().startsWith('__host-')) return undefined;
  let path = `${prefix}/`;
  const kept: string[] = [];
  for (const attribute of attributes) {
    const [key = '', given = ''] = attribute.split('=');
    const lower = key.trim().toLowerCase();
    if (lower === 'path') path = under(prefix, given.trim());
    else if (lower !== 'domain' && attribute !== '') kept.push(attribute);
  }
  return [pair, ...kept, `Path=${path}`].join('; ');
}

function under(prefix: string, path: string): string {
  if (path === prefix || path.startsWith(`${prefix}/`)) return path;
  return path.startsWith('/') ? prefix + path : `${prefix}/`;
}
