import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { canonicalTarget, routeOf } from '../../control-plane/gateway/target.ts';
import { stops } from './attack.ts';

/** The path that a service gets for a client's path, when it was decided to lie below `/s/acme/open/`. */
type Forward = (url: string) => string | undefined;

const OPEN = '/s/acme/open/';

/** Decides on the text as it is, and lets the service make of it what it will. */
const naive: Forward = (url) => (url.startsWith(OPEN) ? url : undefined);

const ours: Forward = (url) => {
  const target = canonicalTarget(url);
  if (target === undefined) return undefined;
  const route = routeOf(target);
  return route.kind === 'service' && `${route.prefix}/` === OPEN ? target.path : undefined;
};

/** What servers are known to do, one or the other: drop parameters, decode twice, take `\` for `/`, resolve dots. */
function asServerReads(path: string): string {
  let text = path.split(/[?#]/, 1)[0] ?? '';
  for (let layer = 0; layer < 2; layer++)
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  const segments: string[] = [];
  for (const segment of text.replaceAll('\\', '/').split(/[/\0]+/)) {
    const name = segment.split(';', 1)[0] ?? '';
    if (name === '..') segments.pop();
    else if (name !== '.' && name !== '') segments.push(name);
  }
  return `/${segments.join('/')}`;
}

const escapes = (forward: Forward, url: string): boolean => {
  const path = forward(url);
  return path !== undefined && !`${asServerReads(path)}/`.startsWith(OPEN);
};

const TRICKS = [
  '/s/acme/open/../closed/x',
  '/s/acme/open/%2e%2e/closed/x',
  '/s/acme/open/..%2fclosed/x',
  '/s/acme/open/..%5cclosed/x',
  '/s/acme/open/%252e%252e/closed/x',
  '/s/acme/open/..;/closed/x',
  '/s/acme/open/..\\closed/x',
];

for (const trick of TRICKS)
  stops(`the path ${trick}`, (forward: Forward) => escapes(forward, trick), {
    naive: () => naive,
    ours: () => ours,
  });

it('no path made of such pieces leaves what was decided on', () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    '/',
    '//',
    '\\',
    ';',
    '%2e',
    '%2F',
    '%5c',
    '%25',
    '2e',
    '%00',
    'a',
    '?',
    '#',
  );
  const made = fc.array(piece, { maxLength: 12 }).map((pieces) => OPEN + pieces.join(''));
  let worked = 0;
  fc.assert(
    fc.property(made, (url) => {
      if (escapes(naive, url)) worked++;
      assert.equal(escapes(ours, url), false, url);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(worked > 0, 'none of them was an attack');
});
