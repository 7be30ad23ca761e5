import { inspect } from '../../control-plane/gateway/edge.ts';
import { type Route, routeOf } from '../../control-plane/gateway/target.ts';
import { stops } from './attack.ts';

/** What a request is decided to be; undefined when it is refused. */
type Decide = (host: string, url: string) => Route['kind'] | undefined;

/** Decides on a URL that is put together from what the client says its host is. */
const naive: Decide = (host, url) =>
  new URL(`http://${host}${url}`).pathname === '/healthz' ? 'healthz' : 'service';

const ours: Decide = (host, url) => {
  try {
    const rawHeaders = ['Host', host];
    const arrival = { method: 'GET', url, rawHeaders, remoteAddress: '192.0.2.1', encrypted: false };
    return routeOf(inspect(arrival, new Set(['gateway.example'])).target).kind;
  } catch {
    return undefined;
  }
};

/** Wants a service's path taken for one that everybody may open. */
function attack(decide: Decide): boolean {
  return ['gateway.example/healthz#@y', 'x/healthz?', 'gateway.example/healthz#'].some(
    (host) => decide(host, '/s/acme/cutout/') === 'healthz',
  );
}

stops('a Host that moves the path to a public one', attack, { naive: () => naive, ours: () => ours });
