import { sql } from 'kysely';
import { refusal } from '../../foundation/errors.ts';
import type { Database } from '../database/schema.ts';

/** All of them are in the snapshot that every gateway holds in memory, and takes up to 64 MiB of. */
export const most = {
  keys: { ofTenant: 1_000, inAll: 25_000 },
  principals: { ofTenant: 10_000, inAll: 100_000 },
} as const;

type What = keyof typeof most;

/**
 * Whether the tenant may have one more. Others wait until the transaction ends, so that two cannot both be the last.
 * @throws RequestError 409 too_many_keys, too_many_principals
 */
export async function demandRoom(db: Database, what: What, tenant: string, now: Date): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('imageplane'), hashtext(${what}))`.execute(db);
  const { ofTenant, inAll } = await (what === 'keys' ? countKeys : countPrincipals)(db, tenant, now);
  const limits = most[what];
  const code = `too_many_${what}` as const;
  if (ofTenant >= limits.ofTenant) throw refusal(code, { place: TENANT, limit: limits.ofTenant });
  if (inAll >= limits.inAll) throw refusal(code, { place: INSTALLATION, limit: limits.inAll });
}

const TENANT = { en: 'This tenant', zh: '该租户' };
const INSTALLATION = { en: 'This installation', zh: '本系统' };

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
