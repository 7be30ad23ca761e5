import { randomBytes } from 'node:crypto';
import { createBasicVerifier } from '../../control-plane/gateway/basic.ts';
import { stops } from './attack.ts';

/** The principal that a password makes somebody. */
type SignIn = (tenant: string, login: string, password: string) => Promise<string>;

/** Each tenant has an account of this name, and of this password, as `test` and `test` happen to be. */
const principalOf = (tenant: string): string => `test of ${tenant}`;

/** Remembers who signed in, by name and password. */
function naive(): SignIn {
  const known = new Map<string, string>();
  return (tenant, login, password) => {
    const name = `${login}:${password}`;
    const who = known.get(name) ?? principalOf(tenant);
    known.set(name, who);
    return Promise.resolve(who);
  };
}

function ours(): SignIn {
  const verifier = createBasicVerifier({
    verify: ({ tenant }) => Promise.resolve({ principal: principalOf(tenant), epoch: 0 }),
    secret: randomBytes(32),
    maxEntries: 10,
    ttlMs: 60_000,
    awayMs: 60_000,
    nowMs: () => 0,
  });
  return async (tenant, login, password) => {
    const credential = { tenant, login, password, whole: `${tenant}/${login}:${password}` };
    const answer = verifier.remembered(credential) ?? (await verifier.ask(credential, '192.0.2.1'));
    if (typeof answer === 'string') throw new Error(`the right password was ${answer}`);
    return answer.principal;
  };
}

async function attack(signIn: SignIn): Promise<boolean> {
  await signIn('acme', 'test', 'four plain words here');
  return (await signIn('burp', 'test', 'four plain words here')) !== principalOf('burp');
}

stops("another tenant's answer out of a cache", attack, { naive, ours });
