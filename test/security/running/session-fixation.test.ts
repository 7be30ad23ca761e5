import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before } from 'node:test';
import { createIdentityWorld, type IdentityWorld } from '../../support/identity-world.ts';
import { stops } from '../attack.ts';

const PASSWORD = 'four plain words here';

let world: IdentityWorld;
let accounts: { ada: string; eve: string };

before(async () => {
  world = await createIdentityWorld();
  const admin = await world.adminKey('acme');
  const create = async (login: string): Promise<string> => {
    const made = await world.call(admin, 'POST', '/api/v1/accounts', { login, name: login });
    const { id, invitation } = (await made.json()) as { id: string; invitation: { path: string } };
    const token = new URL(invitation.path, world.url).searchParams.get('token') ?? '';
    const form = { token, password: PASSWORD, again: PASSWORD };
    assert.equal((await world.auth('/auth/invitation', form)).status, 200);
    return id;
  };
  accounts = { ada: await create('ada'), eve: await create('eve') };
  await world.synced();
});
after(async () => {
  await world.close();
});

interface Site {
  /** A session as the attacker gets one. */
  begin: () => Promise<string>;
  /** The victim signs in, in a browser that has this session already. */
  signIn: (session: string) => Promise<void>;
  /** Whether the session is the victim's. */
  isVictims: (session: string) => Promise<boolean>;
}

/** A session is what a browser has, and signing in writes down who it is. */
function naive(): Site {
  const sessions = new Map<string, string | undefined>();
  return {
    begin() {
      const session = randomUUID();
      sessions.set(session, undefined);
      return Promise.resolve(session);
    },
    signIn(session) {
      sessions.set(session, 'ada');
      return Promise.resolve();
    },
    isVictims: (session) => Promise.resolve(sessions.get(session) === 'ada'),
  };
}

async function cookieOf(account: string, headers: Record<string, string> = {}): Promise<string> {
  const form = { account: `acme/${account}`, password: PASSWORD, code: '' };
  const answer = await world.auth('/auth/local', form, { headers });
  assert.equal(answer.status, 303, await answer.text());
  return answer.headers.get('set-cookie')?.split(';')[0] ?? '';
}

const whose = async (cookie: string): Promise<string | undefined> => {
  const answer = await fetch(`${world.url}/s/acme/echo/x`, { headers: { cookie } });
  await answer.text();
  return answer.status === 200 ? String(world.upstream.seen.at(-1)?.headers['x-user-id']) : undefined;
};

const ours = (): Site => ({
  begin: () => cookieOf('eve'),
  async signIn(cookie) {
    assert.equal(await whose(await cookieOf('ada', { cookie })), accounts.ada);
  },
  isVictims: async (cookie) => (await whose(cookie)) === accounts.ada,
});

async function attack({ begin, signIn, isVictims }: Site): Promise<boolean> {
  const session = await begin();
  await signIn(session);
  return isVictims(session);
}

stops("a session that an attacker has put into somebody's browser", attack, { naive, ours });
