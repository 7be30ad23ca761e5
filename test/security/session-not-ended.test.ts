import { type SessionClaims, signSession, verifySession } from '../../contracts/session.ts';
import type { SnapshotInput } from '../../contracts/snapshot.ts';
import {
  ada,
  base,
  compiled,
  now,
  outcome,
  own,
  policies,
  seconds,
  session,
} from '../support/credentials.ts';
import { stops } from './attack.ts';

/** Whether a session opens anything, by what is known of people and sessions now. */
type Opens = (token: string, changes: Partial<SnapshotInput>) => Promise<boolean>;

/** Believes a session for as long as it says, since its signature is right. */
const naive: Opens = async (token) => (await verifySession(token, policies.apiKeys, now)) !== undefined;

const ours: Opens = async (token, changes) =>
  (await outcome(session(token), { against: compiled(changes) })) === 'ada by session';

const claims: SessionClaims = {
  ...{ sub: 'ada', sid: 's1', epoch: 1, amr: ['pwd'] },
  ...{ auth_time: seconds, iat: seconds, exp: seconds + 3_600 },
};

const stolen =
  (changes: Partial<SnapshotInput>) =>
  async (opens: Opens): Promise<boolean> => {
    const token = await signSession(claims, own);
    if (!(await opens(token, {}))) throw new Error('the session never opened anything');
    return opens(token, changes);
  };

const keys = base.sessions?.keys ?? [];
const targets = { naive: () => naive, ours: () => ours };
stops(
  'a stolen session after its owner changed the password',
  stolen({ principals: { ada: { ...ada, epoch: 2 } } }),
  targets,
);
stops('a session that its owner has ended', stolen({ sessions: { keys, revoked: ['s1'] } }), targets);
stops('the session of an account that is gone', stolen({ principals: {}, keys: {} }), targets);
