import { sql } from 'kysely';
import type { Role } from '../../contracts/principal.ts';
import type { Database } from '../database/schema.ts';
import type { Membership } from './providers/membership.ts';
import type { Profile } from './providers/provider.ts';
import { demandRoom } from './room.ts';

/** What became of a principal because of what its provider said. */
export interface MembershipChange {
  kind: 'joined' | 'restored' | 'role-changed' | 'dropped';
  principal: string;
  tenant: string;
  role: Role;
}

export interface UsablePrincipal {
  principal: string;
  tenant: string;
  role: Role;
}

export interface MembershipResult {
  /** In force, in the order of the memberships. */
  usable: UsablePrincipal[];
  /** Memberships whose principal an administrator has disabled. */
  disabled: string[];
  changes: MembershipChange[];
}

export interface Outside {
  now: Date;
  newId: () => string;
}

/** Keeps what the provider said of the account, which is known by issuer and subject alone; gives its id here. */
export async function recordIdentity(
  transaction: Database,
  account: { provider: string; issuer: string; profile: Profile; refreshToken: string | null },
  { now, newId }: Outside,
): Promise<string> {
  const { provider, issuer, profile, refreshToken } = account;
  const said = {
    provider,
    name: profile.name,
    department: profile.department,
    groups: JSON.stringify(profile.groups),
    checked_at: now,
    checking_until: null,
    failing_since: null,
    gone_at: null,
  };
  const { id } = await transaction
    .insertInto('identity')
    .values({
      id: newId(),
      issuer,
      subject: profile.subject,
      created_at: now,
      refresh_token: refreshToken,
      ...said,
    })
    .onConflict((conflict) =>
      conflict.columns(['issuer', 'subject']).doUpdateSet({
        ...said,
        // A sign-in without one says nothing against the one held.
        ...(refreshToken === null ? {} : { refresh_token: refreshToken }),
      }),
    )
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

interface Link {
  tenant: string;
  principal: string;
  droppedAt: Date | null;
  role: Role;
  name: string;
  department: string;
  disabledAt: Date | null;
}

type NamedIdentity = { id: string; profile: Pick<Profile, 'name' | 'department'> };

/**
 * Makes the person's principals what the memberships say: new ones, other roles, and no access where there is no
 * membership any more. What an administrator disabled stays disabled.
 */
export async function applyMemberships(
  transaction: Database,
  identity: NamedIdentity,
  memberships: readonly Membership[],
  outside: Outside,
): Promise<MembershipResult> {
  const links: Link[] = await transaction
    .selectFrom('identity_principal as link')
    .innerJoin('principal', 'principal.id', 'link.principal')
    .select([
      'link.tenant',
      'link.principal',
      'link.dropped_at as droppedAt',
      'principal.role',
      'principal.name',
      'principal.department',
      'principal.disabled_at as disabledAt',
    ])
    .where('link.identity', '=', identity.id)
    .forUpdate()
    .execute();
  const result: MembershipResult = { usable: [], disabled: [], changes: [] };
  for (const { tenant, role } of memberships) {
    const link = links.find((one) => one.tenant === tenant);
    if (link !== undefined && disabledByAdministrator(link)) {
      result.disabled.push(tenant);
      continue;
    }
    const { principal, kind } =
      link === undefined
        ? await join(transaction, identity, { tenant, role }, outside)
        : await bringUpToDate(transaction, link, identity.profile, role);
    if (kind !== 'unchanged') result.changes.push({ kind, principal, tenant, role });
    result.usable.push({ principal, tenant, role });
  }
  for (const link of links) {
    if (link.droppedAt !== null || memberships.some(({ tenant }) => tenant === link.tenant)) continue;
    await drop(transaction, link, outside.now);
    const { principal, tenant, role } = link;
    result.changes.push({ kind: 'dropped', principal, tenant, role });
  }
  return result;
}

function disabledByAdministrator({ disabledAt, droppedAt }: Link): boolean {
  return disabledAt !== null && disabledAt.getTime() !== droppedAt?.getTime();
}

async function join(
  transaction: Database,
  identity: NamedIdentity,
  { tenant, role }: Membership,
  { newId, now }: Outside,
): Promise<{ principal: string; kind: 'joined' }> {
  await demandRoom(transaction, 'principals', tenant, now);
  const { name, department } = identity.profile;
  const principal = `usr_${newId()}`;
  await transaction
    .insertInto('principal')
    .values({ id: principal, tenant, kind: 'user', name, department, role })
    .execute();
  await transaction
    .insertInto('identity_principal')
    .values({ identity: identity.id, tenant, principal, dropped_at: null })
    .execute();
  return { principal, kind: 'joined' };
}

async function bringUpToDate(
  transaction: Database,
  link: Link,
  { name, department }: NamedIdentity['profile'],
  role: Role,
): Promise<{ principal: string; kind: 'restored' | 'role-changed' | 'unchanged' }> {
  const { principal, disabledAt, droppedAt } = link;
  const restored = disabledAt !== null;
  const same = link.role === role && link.name === name && link.department === department;
  if (restored || !same)
    await transaction
      .updateTable('principal')
      .set({ name, department, role, disabled_at: null })
      .where('id', '=', principal)
      .execute();
  if (droppedAt !== null) await setDropped(transaction, principal, null);
  if (restored) return { principal, kind: 'restored' };
  return { principal, kind: link.role === role ? 'unchanged' : 'role-changed' };
}

async function drop(transaction: Database, { principal, disabledAt }: Link, now: Date): Promise<void> {
  if (disabledAt === null)
    await transaction
      .updateTable('principal')
      .set({ disabled_at: now })
      .where('id', '=', principal)
      .execute();
  await setDropped(transaction, principal, now);
}

async function setDropped(transaction: Database, principal: string, at: Date | null): Promise<void> {
  await transaction
    .updateTable('identity_principal')
    .set({ dropped_at: at })
    .where('principal', '=', principal)
    .execute();
}

export interface ClaimedIdentity {
  id: string;
  provider: string;
  issuer: string;
  subject: string;
  refreshToken: string | null;
  checkedAt: Date;
}

/**
 * Takes it on oneself to ask the provider, until `until`. Undefined when somebody else does so now, or did since
 * `due`: a refresh token that is used twice is taken for stolen, so only one may use it.
 */
export async function claimIdentity(
  db: Database,
  id: string,
  { due, now, until }: { due: Date; now: Date; until: Date },
): Promise<ClaimedIdentity | undefined> {
  return db
    .updateTable('identity')
    .set({ checking_until: until })
    .where('id', '=', id)
    .where('gone_at', 'is', null)
    .where('checked_at', '<=', due)
    .where((where) => where.or([where('checking_until', 'is', null), where('checking_until', '<', now)]))
    .returning([
      'id',
      'provider',
      'issuer',
      'subject',
      'refresh_token as refreshToken',
      'checked_at as checkedAt',
    ])
    .executeTakeFirst();
}

export interface IdentityState {
  checkedAt: Date;
  checkingUntil: Date | null;
  failingSince: Date | null;
  goneAt: Date | null;
}

export async function identityState(db: Database, id: string): Promise<IdentityState | undefined> {
  return db
    .selectFrom('identity')
    .select([
      'checked_at as checkedAt',
      'checking_until as checkingUntil',
      'failing_since as failingSince',
      'gone_at as goneAt',
    ])
    .where('id', '=', id)
    .executeTakeFirst();
}

/** Those that somebody should ask about: of a provider that can be asked without the person, or by a refresh token. */
export async function identitiesDue(
  db: Database,
  { due, now, askable, limit }: { due: Date; now: Date; askable: string[]; limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom('identity')
    .select('id')
    .where('gone_at', 'is', null)
    .where('checked_at', '<=', due)
    .where((where) => where.or([where('checking_until', 'is', null), where('checking_until', '<', now)]))
    .where((where) =>
      where.or([
        where('refresh_token', 'is not', null),
        where.exists(
          where
            .selectFrom('session')
            .select('session.id')
            .whereRef('session.identity', '=', 'identity.id')
            .where('session.ended_at', 'is', null)
            .where('session.expires_at', '>', now),
        ),
        ...(askable.length === 0
          ? []
          : [
              where.and([
                where('provider', 'in', askable),
                where.exists(
                  where
                    .selectFrom('identity_principal')
                    .select('identity_principal.principal')
                    .whereRef('identity_principal.identity', '=', 'identity.id')
                    .where('identity_principal.dropped_at', 'is', null),
                ),
              ]),
            ]),
      ]),
    )
    .orderBy('checked_at')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * The provider was asked with this token and does not vouch for the account, or is gone from the configuration. False
 * when the account has another token by now.
 */
export async function forgetRefreshToken(
  db: Database,
  id: string,
  token: string | null,
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('identity')
    .set({ refresh_token: null, checked_at: now, checking_until: null, failing_since: null })
    .where('id', '=', id)
    .where('refresh_token', 'is not distinct from', token)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function markGone(db: Database, id: string, now: Date): Promise<void> {
  await db
    .updateTable('identity')
    .set({ refresh_token: null, checked_at: now, checking_until: null, failing_since: null, gone_at: now })
    .where('id', '=', id)
    .execute();
}

/** The provider did not answer. `until`: nobody tries again before. */
export async function markFailing(db: Database, id: string, now: Date, until: Date): Promise<void> {
  await db
    .updateTable('identity')
    .set({ checking_until: until, failing_since: sql<Date>`coalesce(failing_since, ${now})` })
    .where('id', '=', id)
    .execute();
}

/** Ends the browser sessions of a person in every tenant; gives the principals that had one. */
export async function endSessionsOfIdentity(
  db: Database,
  id: string,
  by: string,
  now: Date,
): Promise<{ principal: string; tenant: string }[]> {
  const ended = await db
    .updateTable('session')
    .set({ ended_at: now, ended_by: by })
    .where('identity', '=', id)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('principal')
    .execute();
  if (ended.length === 0) return [];
  const ids = [...new Set(ended.map(({ principal }) => principal))];
  return db.selectFrom('principal').select(['id as principal', 'tenant']).where('id', 'in', ids).execute();
}

/** The principals of a person that may be signed in. */
export async function principalsOfIdentity(db: Database, id: string): Promise<UsablePrincipal[]> {
  return db
    .selectFrom('identity_principal as link')
    .innerJoin('principal', 'principal.id', 'link.principal')
    .select(['link.principal', 'link.tenant', 'principal.role'])
    .where('link.identity', '=', id)
    .where('principal.disabled_at', 'is', null)
    .orderBy('link.tenant')
    .execute();
}
