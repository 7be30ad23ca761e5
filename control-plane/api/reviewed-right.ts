import type { sql } from 'kysely';
import type { Principal } from '../../contracts/principal.ts';
import type { Database } from '../database/schema.ts';

/** What a review writes down of one kind of right, and how it is withdrawn. */
export interface ReviewedRight {
  kind: string;
  /** Rows of (id, subject, name, what, given_by, given_at, last_used_at) of a tenant, in SQL. */
  rows: (tenant: string, now: Date) => ReturnType<typeof sql>;
  /** False when it is gone already. */
  withdraw: (transaction: Database, line: { id: string; subject: string }, by: By) => Promise<boolean>;
}

export interface By {
  caller: Principal;
  now: Date;
}
