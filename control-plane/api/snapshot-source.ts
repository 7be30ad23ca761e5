import { type CryptoKey } from 'jose';
import { type Snapshot, signSnapshot } from '../../contracts/snapshot.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import type { Database } from '../database/schema.ts';
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

/** Compiles and signs the snapshot, anew only when people or keys may have changed. */
export function createSnapshotSource(options: {
  db: Database;
  policies: Pick<Snapshot, 'tenants' | 'services'>;
  privateKey: CryptoKey;
  now: () => Date;
}): SnapshotSource {
  const { db, policies, privateKey, now } = options;
  let last: (SignedSnapshot & { revision: string; at: number }) | undefined;
  return {
    async current() {
      const revision = await peopleRevision(db);
      const at = now();
      if (last !== undefined && last.revision === revision && at.getTime() - last.at < MAX_AGE_MS)
        return last;
      const content = { ...policies, ...(await readPeople(db, at)) };
      const version = sha256Hex(JSON.stringify(content)).slice(0, 32);
      const token = await signSnapshot({ version, issuedAt: at.toISOString(), ...content }, privateKey);
      last = { token, etag: `"${version}.${String(at.getTime())}"`, revision, at: at.getTime() };
      return last;
    },
  };
}
