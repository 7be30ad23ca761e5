import type { Database } from '../database/schema.ts';
import { linkId } from './link-id.ts';

/**
 * Which principals the people of these issuers are, those that are disabled included: a token must not make anew who
 * was turned away.
 */
export async function readLinks(
  db: Database,
  issuers: readonly { issuer: string }[],
): Promise<Record<string, string>> {
  if (issuers.length === 0) return {};
  const rows = await db
    .selectFrom('identity as i')
    .innerJoin('identity_principal as p', 'p.identity', 'i.id')
    .select(['i.issuer', 'i.subject', 'p.tenant', 'p.principal'])
    .where(
      'i.issuer',
      'in',
      issuers.map(({ issuer }) => issuer),
    )
    .execute();
  return Object.fromEntries(
    rows.map(({ issuer, subject, tenant, principal }) => [linkId(issuer, subject, tenant), principal]),
  );
}
