import { type CryptoKey, type JWK } from 'jose';
import { ACCESS_TOKEN_SECONDS } from '../../contracts/access-token.ts';
import { type Snapshot, signSnapshot } from '../../contracts/snapshot.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import type { Database } from '../database/schema.ts';
import { revokedFamilies } from '../identity/applications/tokens.ts';
import { readLinks } from '../identity/links.ts';
import { revokedSessions } from '../identity/sessions.ts';
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
      const content = {
        ...policies,
        ...(await readPeople(db, at)),
        sessions: {
          keys: sessionKeys,
          revoked: [
            ...(await revokedSessions(db, at)),
            ...(await revokedFamilies(db, new Date(at.getTime() - 2_000 * ACCESS_TOKEN_SECONDS))),
          ],
        },
        issuers,
        links: await readLinks(db, issuers),
      };
      const version = sha256Hex(JSON.stringify(content)).slice(0, 32);
      const token = await signSnapshot({ version, issuedAt: at.toISOString(), ...content }, privateKey);
      last = { token, etag: `"${version}.${String(at.getTime())}"`, revision, at: at.getTime() };
      return last;
    },
  };
}
