const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const SEGMENTS = `(?:/(?:[A-Za-z0-9\\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*)*`;
const PAGE = new RegExp(`^/s/${LABEL}/${LABEL}${SEGMENTS}(?:\\?[\\x21\\x22\\x24-\\x7e]*)?$`);
const MAX_LENGTH = 1_024;

/** Where to go after signing in: a page of a service on this host, or the start page. Never elsewhere. */
export function safeNext(next: unknown): string {
  if (typeof next !== 'string' || next.length > MAX_LENGTH || !PAGE.test(next)) return '/';
  const [path = ''] = next.split('?', 1);
  const segments = path.split('/').slice(1);
  // A trailing slash is the last empty segment; any other is a double one.
  if (segments.slice(0, -1).includes('') || segments.some((one) => one === '.' || one === '..')) return '/';
  return next;
}
