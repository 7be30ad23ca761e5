import { credentialOf } from '../../control-plane/gateway/credentials.ts';
import { bearer, good, outcome, session } from '../support/credentials.ts';
import { stops } from './attack.ts';

/** Who a request is believed to come from; undefined when it is refused. */
type Who = (headers: string[]) => Promise<string | undefined>;

/** Knows keys, trusts the probes of its cluster, and leaves what it does not know to those who come after. */
const naive: Who = (headers) => {
  if (headers.includes('kube-probe/1.34')) return Promise.resolve('probe');
  try {
    const credential = credentialOf(headers, true);
    if (credential.kind === 'key') return Promise.resolve(credential.key === good.key ? 'ada' : undefined);
  } catch {
    // It will be somebody.
  }
  return Promise.resolve('anonymous');
};

const ours: Who = async (headers) => {
  const answer = await outcome(headers);
  return answer.includes(' by ') ? answer : undefined;
};

const UNKNOWN: [what: string, headers: string[]][] = [
  ['no credential', []],
  ['a scheme that nobody knows', ['Authorization', 'Negotiate YII']],
  ['an empty token', ['Authorization', 'Bearer ']],
  ['a token of an issuer that nobody knows', bearer('eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.AA')],
  ['a session that is none', session('x.y.z')],
  ['a broken password', ['Authorization', 'Basic ////']],
  ['two credentials', [...bearer('a'), ...session('b')]],
  ['a user agent that is a probe', ['User-Agent', 'kube-probe/1.34']],
];

for (const [what, headers] of UNKNOWN)
  stops(`a request with ${what}`, async (who: Who) => (await who(headers)) !== undefined, {
    naive: () => naive,
    ours: () => ours,
  });
