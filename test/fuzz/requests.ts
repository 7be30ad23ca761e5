import { mutateBytes, splice } from './bytes.ts';
import type { Sample } from './corpus.ts';
import type { Random } from './random.ts';
import { type FuzzRoute, PICTURE, ROUTES } from './routes.ts';
import { FORMATS, mutateStructure } from './structure.ts';

export interface FuzzRequest {
  /** In words, for the report. */
  what: string;
  method: string;
  target: string;
  headers: Record<string, string>;
  body: Buffer;
}

const STRANGE = [
  '',
  ' ',
  '\0',
  '%00',
  '../../../etc/passwd',
  'ÿþ',
  '用户',
  '😀'.repeat(50),
  'A'.repeat(5000),
  "' OR 1=1 --",
  '<script>',
  '${7*7}',
  '{"a":',
  '[[[[[[[[[[',
  '-0',
  '1e309',
  '0x10',
  '9'.repeat(400),
] as const;

const TYPES = [
  'image/png',
  'image/jpeg',
  'image/svg+xml',
  'application/json',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary="',
  `multipart/form-data; boundary=${'b'.repeat(300)}`,
  'multipart/mixed; boundary=x',
  'text/plain; charset=utf-7',
  '',
] as const;

function value(known: readonly string[], random: Random): string {
  if (random.chance(0.6) && known.length > 0) return random.pick(known);
  return random.chance(0.7) ? random.pick(STRANGE) : random.bytes(random.below(40)).toString('latin1');
}

/** A picture, whole or broken in some way. */
function picture(samples: readonly Sample[], random: Random): { bytes: Buffer; what: string } {
  // Pictures that could be decoded are the ones worth breaking; what is refused for its kind is soon all seen.
  const decodable = samples.filter(({ format: known }) => known !== undefined);
  const sample = random.pick(random.chance(0.85) ? decodable : samples);
  const { name, format, bytes } = sample;
  const way = random.below(20);
  if (way === 0) return { bytes, what: `${name}, as it is` };
  if (way === 1) return { bytes: random.bytes(random.below(2000)), what: 'random bytes' };
  if (way === 2) {
    const other = random.pick(samples);
    return { bytes: splice(bytes, other.bytes, random), what: `${name} that goes on as ${other.name}` };
  }
  if (format !== undefined && way < 12)
    return { bytes: mutateStructure(FORMATS[format], bytes, random), what: `${name}, its structure changed` };
  return { bytes: mutateBytes(bytes, random), what: `${name}, its bytes changed` };
}

function query(route: FuzzRoute, random: Random, often: number): string {
  const parameters: [string, string][] = [];
  for (const [name, known] of Object.entries(route.query))
    if (random.chance(often)) parameters.push([name, value(known, random)]);
  if (random.chance(often / 4)) parameters.push([value(Object.keys(route.query), random), value([], random)]);
  const text = parameters.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
  if (text === '') return '';
  return random.chance(0.05) ? `?${text.replaceAll('%', random.pick(['', '%25', '%2']))}` : `?${text}`;
}

const BOUNDARY = 'fuzz-boundary';

function part(headers: string, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`--${BOUNDARY}\r\n${headers}\r\n\r\n`), content, Buffer.from('\r\n')]);
}

function form(route: FuzzRoute, file: Buffer, random: Random, often: number): Buffer {
  const { file: field, fields } = route.form ?? { file: 'file', fields: {} };
  const parts: Buffer[] = [];
  for (const [name, known] of Object.entries(fields))
    if (random.chance(often))
      parts.push(part(`Content-Disposition: form-data; name="${name}"`, Buffer.from(value(known, random))));
  if (random.chance(often / 4)) {
    const name = value(Object.keys(fields), random).replaceAll(/[\r\n"]/g, '');
    parts.push(part(`Content-Disposition: form-data; name="${name}"`, Buffer.from(value([], random))));
  }
  const disposition = random.chance(1 - often / 4)
    ? `form-data; name="${field}"; filename="picture"`
    : random.pick([
        'form-data',
        'form-data; name=file',
        `form-data; name="${field}"`,
        `form-data; name="${field}"; filename=`,
        `form-data; name="${field}"; filename*=UTF-8''%ff`,
        'attachment; filename="x"',
        `form-data; name="${'n'.repeat(3000)}"; filename="x"`,
      ]);
  const filePart = part(`Content-Disposition: ${disposition}\r\nContent-Type: image/png`, file);
  parts.splice(random.below(parts.length + 1), 0, filePart);
  if (random.chance(often / 8)) parts.push(filePart);
  const whole = Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
  return random.chance(often / 4) ? mutateBytes(whole, random) : whole;
}

/** JSON with one of its places replaced, dropped, or nested a thousand deep; or no JSON any more. */
function json(template: unknown, file: Buffer, random: Random): Buffer {
  const text = JSON.stringify(mutateJson(template, random)).replaceAll(PICTURE, file.toString('base64'));
  return random.chance(0.2) ? mutateBytes(Buffer.from(text), random) : Buffer.from(text);
}

function mutateJson(node: unknown, random: Random): unknown {
  if (random.chance(0.04)) return replacement(random);
  if (Array.isArray(node)) return node.map((item) => mutateJson(item, random));
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(() => random.chance(0.98));
  if (random.chance(0.04)) entries.push([random.pick(STRANGE), replacement(random)]);
  return Object.fromEntries(entries.map(([key, item]) => [key, mutateJson(item, random)]));
}

function replacement(random: Random): unknown {
  const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  return random.pick([null, true, -1, 1e308, 0.1, [], {}, deep(500), random.pick(STRANGE)]);
}

function headersOf(type: string, random: Random): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': type };
  if (random.chance(0.03)) headers['content-type'] = random.pick(TYPES);
  if (random.chance(0.02)) headers['content-encoding'] = random.pick(['gzip', 'br', 'identity', 'x', '']);
  if (random.chance(0.02)) headers['expect'] = '100-continue';
  if (random.chance(0.02)) headers['accept'] = random.pick(['*/*', 'text/html', '', 'q=;']);
  if (random.chance(0.02))
    headers[`x-${random.pick(['a', 'forwarded-for', 'user-id'])}`] = 'ÿ'.repeat(random.below(2000));
  return headers;
}

/** The case of a number: the same for the same samples and random numbers. */
export function requestOf(samples: readonly Sample[], random: Random): FuzzRequest {
  const route = random.pick(ROUTES);
  const { bytes, what } = picture(samples, random);
  // Most requests are right but for their picture: otherwise few pictures would ever be looked at.
  const often = random.chance(0.7) ? 0 : 0.3;
  const method = random.chance(0.01)
    ? random.pick(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
    : route.method;
  const target = `${route.path}${query(route, random, often)}`;
  const ways = [
    ...(route.raw === true ? ['raw' as const] : []),
    ...(route.form === undefined ? [] : ['form' as const]),
    ...(route.json === undefined ? [] : ['json' as const]),
  ];
  const way = random.pick(ways);
  const [type, body] = ((): [string, Buffer] => {
    switch (way) {
      case 'raw':
        return ['image/png', bytes];
      case 'form':
        return [`multipart/form-data; boundary=${BOUNDARY}`, form(route, bytes, random, often)];
      case 'json':
        return ['application/json', json(route.json, bytes, random)];
    }
  })();
  const sent = method === 'GET' || method === 'OPTIONS' ? Buffer.alloc(0) : body;
  return {
    what: `${method} ${target.slice(0, 200)} as ${way}: ${what}`,
    method,
    target,
    headers: headersOf(type, random),
    body: sent,
  };
}
