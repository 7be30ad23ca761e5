import { type CryptoKey, type JWK } from 'jose';
import { sql } from 'kysely';
import { SESSION_LONGEST_SECONDS, SESSION_SECONDS, signSession } from '../../contracts/session.ts';
import type { Database } from '../database/schema.ts';

/** What sessions are signed with, by the API alone. Gateways get the public half with the snapshot. */
export interface SessionKey {
  kid: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

export interface NewSession {
  principal: string;
  /** How the person was authenticated (RFC 8176): `pwd`, `otp`, `mfa`; `fed` at a provider, `key` by an API key. */
  amr: string[];
  client: { address: string; userAgent: string };
  /** When the person was authenticated, where that was not now. */
  authTime?: Date | undefined;
  /** Id of the provider's account, and the wrapped ID token that names the session there. */
  identity?: string;
  idToken?: string | undefined;
  /** Id of the API key that it lives and dies with. */
  key?: string;
  /** Shorter than a session usually is. */
  seconds?: number;
}

export interface IssuedSession {
  id: string;
  /** For the cookie. */
  token: string;
  expiresAt: Date;
}

export interface SessionIssuer {
  key: SessionKey;
  now: () => Date;
  /** UUIDv7. */
  newId: () => string;
}

const MAX_USER_AGENT = 300;
const later = (from: Date, seconds: number): Date => new Date(from.getTime() + seconds * 1000);
const seconds = (at: Date): number => Math.floor(at.getTime() / 1000);

/**
 * Makes a session with an id of its own: nothing that the browser brought goes into it. Undefined when the principal
 * is unknown or disabled. In the transaction of the audit record that goes with it.
 */
export async function createSession(
  db: Database,
  issuer: SessionIssuer,
  wanted: NewSession,
): Promise<IssuedSession | undefined> {
  const found = await db
    .selectFrom('principal')
    .select('epoch')
    .where('id', '=', wanted.principal)
    .where('disabled_at', 'is', null)
    .forShare()
    .executeTakeFirst();
  if (found === undefined) return undefined;
  const now = issuer.now();
  const authTime = wanted.authTime ?? now;
  const id = issuer.newId();
  const expiresAt = later(now, Math.min(wanted.seconds ?? SESSION_SECONDS, SESSION_SECONDS));
  await db
    .insertInto('session')
    .values({
      id,
      principal: wanted.principal,
      epoch: found.epoch,
      identity: wanted.identity ?? null,
      key: wanted.key ?? null,
      amr: JSON.stringify(wanted.amr),
      id_token: wanted.idToken ?? null,
      auth_time: authTime,
      created_at: now,
      renewed_at: now,
      expires_at: expiresAt,
      client_ip: wanted.client.address,
      user_agent: wanted.client.userAgent.slice(0, MAX_USER_AGENT),
      ended_at: null,
      ended_by: null,
    })
    .execute();
  const token = await signSession(
    {
      sub: wanted.principal,
      sid: id,
      epoch: found.epoch,
      amr: wanted.amr,
      auth_time: seconds(authTime),
      iat: seconds(now),
      exp: seconds(expiresAt),
      ...(wanted.key === undefined ? {} : { key: wanted.key }),
    },
    issuer.key,
  );
  return { id, token, expiresAt };
}

export interface LiveSession {
  id: string;
  principal: string;
  tenant: string;
  name: string;
  epoch: number;
  identity: string | null;
  key: string | null;
  amr: string[];
  idToken: string | null;
  authTime: Date;
  createdAt: Date;
  expiresAt: Date;
}

/** The session, unless it has ended in any of the ways in which one can. */
export async function findSession(db: Database, id: string, now: Date): Promise<LiveSession | undefined> {
  return db
    .selectFrom('session')
    .innerJoin('principal', 'principal.id', 'session.principal')
    .leftJoin('api_key', 'api_key.id', 'session.key')
    .select([
      'session.id',
      'session.principal',
      'principal.tenant',
      'principal.name',
      'session.epoch',
      'session.identity',
      'session.key',
      'session.amr',
      'session.id_token as idToken',
      'session.auth_time as authTime',
      'session.created_at as createdAt',
      'session.expires_at as expiresAt',
    ])
    .where('session.id', '=', id)
    .where('session.ended_at', 'is', null)
    .where('session.expires_at', '>', now)
    .where('principal.disabled_at', 'is', null)
    .whereRef('session.epoch', '=', 'principal.epoch')
    .where((where) =>
      where.or([
        where('session.key', 'is', null),
        where.and([
          where('api_key.revoked_at', 'is', null),
          where.or([where('api_key.expires_at', 'is', null), where('api_key.expires_at', '>', now)]),
        ]),
      ]),
    )
    .executeTakeFirst();
}

/** Signs it anew, to last as long again, but never longer than `SESSION_LONGEST_SECONDS` after signing in. */
export async function renewSession(
  db: Database,
  issuer: SessionIssuer,
  session: LiveSession,
): Promise<IssuedSession | undefined> {
  const now = issuer.now();
  const end = later(session.createdAt, SESSION_LONGEST_SECONDS);
  const wanted = later(now, SESSION_SECONDS);
  const expiresAt = wanted < end ? wanted : end;
  const { numUpdatedRows } = await db
    .updateTable('session')
    .set({ renewed_at: now, expires_at: expiresAt })
    .where('id', '=', session.id)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return undefined;
  const token = await signSession(
    {
      sub: session.principal,
      sid: session.id,
      epoch: session.epoch,
      amr: session.amr,
      auth_time: seconds(session.authTime),
      iat: seconds(now),
      exp: seconds(expiresAt),
      ...(session.key === null ? {} : { key: session.key }),
    },
    issuer.key,
  );
  return { id: session.id, token, expiresAt };
}

/** Ends one; gives its principal's id, or undefined when there is none in force. */
export async function endSession(
  db: Database,
  which: { id: string; tenant: string; principal?: string | undefined },
  by: string,
  now: Date,
): Promise<string | undefined> {
  let query = db
    .updateTable('session')
    .set({ ended_at: now, ended_by: by })
    .where('id', '=', which.id)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .where('principal', 'in', (from) =>
      from.selectFrom('principal').select('principal.id').where('principal.tenant', '=', which.tenant),
    );
  if (which.principal !== undefined) query = query.where('principal', '=', which.principal);
  return (await query.returning('principal').executeTakeFirst())?.principal;
}

/**
 * Ends every session of a principal by raising its epoch, which gateways compare: however many there are, the snapshot
 * stays small. False when the tenant has no such principal.
 */
export async function endSessionsOf(
  db: Database,
  which: { principal: string; tenant: string },
  by: string,
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('principal')
    .set({ epoch: sql`epoch + 1` })
    .where('id', '=', which.principal)
    .where('tenant', '=', which.tenant)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  await db
    .updateTable('session')
    .set({ ended_at: now, ended_by: by })
    .where('principal', '=', which.principal)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .execute();
  return true;
}

export interface SessionRow {
  id: string;
  principal: string;
  name: string;
  provider: string | null;
  key: string | null;
  amr: string[];
  createdAt: Date;
  renewedAt: Date;
  expiresAt: Date;
  clientIp: string;
  userAgent: string;
}

/** Those in force, the newest first, 500 at most. */
export async function listSessions(
  db: Database,
  which: { tenant: string; principal?: string | undefined },
  now: Date,
): Promise<SessionRow[]> {
  let query = db
    .selectFrom('session')
    .innerJoin('principal', 'principal.id', 'session.principal')
    .leftJoin('identity', 'identity.id', 'session.identity')
    .select([
      'session.id',
      'session.principal',
      'principal.name',
      'identity.provider',
      'session.key',
      'session.amr',
      'session.created_at as createdAt',
      'session.renewed_at as renewedAt',
      'session.expires_at as expiresAt',
      'session.client_ip as clientIp',
      'session.user_agent as userAgent',
    ])
    .where('principal.tenant', '=', which.tenant)
    .where('principal.disabled_at', 'is', null)
    .whereRef('session.epoch', '=', 'principal.epoch')
    .where('session.ended_at', 'is', null)
    .where('session.expires_at', '>', now)
    .orderBy('session.created_at', 'desc')
    .limit(500);
  if (which.principal !== undefined) query = query.where('session.principal', '=', which.principal);
  return query.execute();
}

/** Ids that gateways must not accept although their cookies say nothing against it. */
export async function revokedSessions(db: Database, now: Date): Promise<string[]> {
  const rows = await db
    .selectFrom('session')
    .innerJoin('principal', 'principal.id', 'session.principal')
    .select('session.id')
    .where('session.ended_at', 'is not', null)
    .where('session.expires_at', '>', now)
    .where('principal.disabled_at', 'is', null)
    .whereRef('session.epoch', '=', 'principal.epoch')
    .orderBy('session.id')
    .execute();
  return rows.map(({ id }) => id);
}

/** Removes what has been over for so long that nobody asks for it. */
export async function forgetSessions(db: Database, before: Date): Promise<void> {
  await db.deleteFrom('session').where('expires_at', '<', before).execute();
}

/** The key in force whose SHA-256 this is, of a principal in force. */
export async function findKey(
  db: Database,
  sha256: string,
  now: Date,
): Promise<{ id: string; principal: string; tenant: string } | undefined> {
  return db
    .selectFrom('api_key')
    .innerJoin('principal', 'principal.id', 'api_key.principal')
    .select(['api_key.id', 'api_key.principal', 'principal.tenant'])
    .where('api_key.sha256', '=', sha256)
    .where('api_key.revoked_at', 'is', null)
    .where('principal.disabled_at', 'is', null)
    .where((where) =>
      where.or([where('api_key.expires_at', 'is', null), where('api_key.expires_at', '>', now)]),
    )
    .executeTakeFirst();
}
