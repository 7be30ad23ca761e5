import { sql } from 'kysely';
import { RequestError } from '../../foundation/errors.ts';
import type { Database } from '../database/schema.ts';

/** All of them are in the snapshot that every gateway holds in memory, and takes up to 64 MiB of. */
export const most = {
  keys: { ofTenant: 1_000, inAll: 25_000 },
  principals: { ofTenant: 10_000, inAll: 100_000 },
} as const;

type What = keyof typeof most;
const WORDS: Record<What, string> = { keys: 'keys in force', principals: 'people and applications' };

/**
 * Whether the tenant may have one more. Others wait until the transaction ends, so that two cannot both be the last.
 * @throws RequestError 409 too_many_keys, too_many_principals
 */
export async function demandRoom(db: Database, what: What, tenant: string, now: Date): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('imageplane'), hashtext(${what}))`.execute(db);
  const { ofTenant, inAll } = await (what === 'keys' ? countKeys : countPrincipals)(db, tenant, now);
  const limits = most[what];
  const where =
    ofTenant >= limits.ofTenant ? 'This tenant' : inAll >= limits.inAll ? 'This installation' : '';
  if (where === '') return;
  const limit = where === 'This tenant' ? limits.ofTenant : limits.inAll;
  throw new RequestError(
    409,
    `too_many_${what}`,
    `${where} has ${limit} ${WORDS[what]}, the most there can be. Revoke or disable what is not used: GET /api/v1/stale lists it.`,
    { details: { limit } },
  );
}

interface Counts {
  ofTenant: number;
  inAll: number;
}

async function countKeys(db: Database, tenant: string, now: Date): Promise<Counts> {
  const { all, own } = await db
    .selectFrom('api_key')
    .innerJoin('principal', 'principal.id', 'api_key.principal')
    .select(({ fn }) => [
      fn.countAll<string>().as('all'),
      fn.countAll<string>().filterWhere('principal.tenant', '=', tenant).as('own'),
    ])
    .where('revoked_at', 'is', null)
    .where('principal.disabled_at', 'is', null)
    .where((where) =>
      where.or([where('api_key.expires_at', 'is', null), where('api_key.expires_at', '>', now)]),
    )
    .executeTakeFirstOrThrow();
  return { ofTenant: Number(own), inAll: Number(all) };
}

async function countPrincipals(db: Database, tenant: string): Promise<Counts> {
  const { all, own } = await db
    .selectFrom('principal')
    .select(({ fn }) => [
      fn.countAll<string>().as('all'),
      fn.countAll<string>().filterWhere('tenant', '=', tenant).as('own'),
    ])
    .where('disabled_at', 'is', null)
    .executeTakeFirstOrThrow();
  return { ofTenant: Number(own), inAll: Number(all) };
}
