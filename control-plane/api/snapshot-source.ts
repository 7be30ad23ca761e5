import { type CryptoKey, type JWK } from 'jose';
import { ACCESS_TOKEN_SECONDS } from '../../contracts/access-token.ts';
import { type Snapshot, type SnapshotInput, signSnapshot } from '../../contracts/snapshot.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import { readGiven } from '../access/store/given.ts';
import type { Database } from '../database/schema.ts';
import { revokedFamilies } from '../identity/applications/tokens.ts';
import { readLinks } from '../identity/links.ts';
import { revokedSessions } from '../identity/sessions.ts';
import { readBounds } from '../quota/bounds.ts';
import { peopleRevision, readPeople } from '../identity/store.ts';

/** Keys expire as time goes, without anything being written: the snapshot is never older than this. */
const MAX_AGE_MS = 60_000;

export interface SignedSnapshot {
  token: string;
  /** Names the content: equal contents have equal tags. */
  etag: string;
}

export interface SnapshotSource {
  current(): Promise<SignedSnapshot>;
}

/** Compiles and signs the snapshot, anew only when people, keys or policies may have changed. */
export function createSnapshotSource(options: {
  db: Database;
  policies: Pick<Snapshot, 'tenants' | 'services'>;
  /** Changes whenever they do. */
  policiesRevision: () => number;
  privateKey: CryptoKey;
  /** Public keys of session cookies and tokens. */
  sessionKeys: JWK[];
  /** Whose JWTs are accepted. */
  issuers: Snapshot['issuers'];
  now: () => Date;
}): SnapshotSource {
  const { db, policies, policiesRevision, privateKey, sessionKeys, issuers, now } = options;
  let last: (SignedSnapshot & { revision: string; at: number }) | undefined;
  return {
    async current() {
      const revision = `${await peopleRevision(db)} ${policiesRevision()}`;
      const at = now();
      if (last !== undefined && last.revision === revision && at.getTime() - last.at < MAX_AGE_MS)
        return last;
      // All of one moment: a grant withdrawn and a member added at once never meet.
      const content = await db
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute(async (transaction) => ({
          ...policies,
          ...(await readRights(transaction, at)),
          quotas: await readBounds(transaction),
          sessions: {
            keys: sessionKeys,
            revoked: [
              ...(await revokedSessions(transaction, at)),
              ...(await revokedFamilies(transaction, new Date(at.getTime() - 2_000 * ACCESS_TOKEN_SECONDS))),
            ],
          },
          issuers,
          links: await readLinks(transaction, issuers),
        }));
      const version = sha256Hex(JSON.stringify(content)).slice(0, 32);
      const token = await signSnapshot({ version, issuedAt: at.toISOString(), ...content }, privateKey);
      last = { token, etag: `"${version}.${String(at.getTime())}"`, revision, at: at.getTime() };
      return last;
    },
  };
}

/** Principals and keys, with what was given besides built-in roles. */
async function readRights(
  db: Database,
  at: Date,
): Promise<Pick<SnapshotInput, 'principals' | 'keys' | 'roles' | 'grants'>> {
  const { principals, keys } = await readPeople(db, at);
  const { roles, grants, assigned } = await readGiven(db, at);
  return {
    principals: Object.fromEntries(
      Object.entries(principals).map(([id, principal]) => [id, { ...principal, ...assigned.get(id) }]),
    ),
    keys,
    roles: Object.fromEntries(roles.map((role) => [`${role.tenant}/${role.name}`, role])),
    grants,
  };
}
