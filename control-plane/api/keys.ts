import type { Principal, Role } from '../../contracts/principal.ts';
import { refusal } from '../../foundation/errors.ts';
import { appendAuditIn, type AuditRecord } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { generateApiKey } from '../identity/api-key.ts';
import { demandRoom } from '../identity/room.ts';
import { insertKey, insertPrincipal, revokeKey, revokeKeysOf, upsertPrincipal } from '../identity/store.ts';

/** What the outside gives: a clock, and sources of randomness and ids. */
export interface Surroundings {
  now: () => Date;
  randomBytes: (size: number) => Buffer;
  newId: () => string;
}

export interface KeyRequest {
  name: string;
  department: string;
  role: Role;
  expiresInDays: number;
}

/** Shown to the caller once: only the key's SHA-256 is stored. */
export interface IssuedKey {
  id: string;
  key: string;
  principal: string;
  expiresAt: string;
}

const DAY_MS = 86_400_000;

/** Makes an application of the caller's tenant with one key, in one transaction with the audit record. @throws RequestError 409 */
export async function issueKey(
  db: Database,
  caller: Principal,
  wanted: KeyRequest,
  surroundings: Surroundings,
): Promise<IssuedKey> {
  const { now, randomBytes, newId } = surroundings;
  const { id, key, hash } = generateApiKey(randomBytes);
  const principal = `app_${newId()}`;
  const expiresAt = new Date(now().getTime() + wanted.expiresInDays * DAY_MS);
  await db.transaction().execute(async (transaction) => {
    await demandRoom(transaction, 'keys', caller.tenant, now());
    await insertPrincipal(transaction, {
      id: principal,
      tenant: caller.tenant,
      kind: 'application',
      name: wanted.name,
      department: wanted.department,
      role: wanted.role,
    });
    await insertKey(transaction, { id, principal, sha256: hash, createdBy: caller.id, expiresAt });
    await appendAuditIn(transaction, keyRecord(caller, 'keys:create', id, surroundings));
  });
  return { id, key, principal, expiresAt: expiresAt.toISOString() };
}

/** @throws RequestError 404 when the caller's tenant has no such key in force. */
export async function withdrawKey(
  db: Database,
  caller: Principal,
  id: string,
  surroundings: Surroundings,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    if (!(await revokeKey(transaction, caller.tenant, id))) throw refusal('key_not_found', { key: id });
    await appendAuditIn(transaction, keyRecord(caller, 'keys:revoke', id, surroundings));
  });
}

const DEMO_KEY_DAYS = 30;
/** Whoever starts the product on a machine holds everything on it. */
const DEMO_KEY_ISSUER = 'standalone';

/** A key for trying the product on one machine: it replaces the one of the start before. */
export async function issueDemoKey(
  db: Database,
  tenant: string,
  surroundings: Surroundings,
): Promise<{ key: string; principal: string }> {
  const { now, randomBytes } = surroundings;
  const { id, key, hash } = generateApiKey(randomBytes);
  const principal: Principal = {
    id: `demo-${tenant}`,
    tenant,
    kind: 'application',
    name: 'Demo 演示',
    department: '',
    role: 'tenant-admin',
  };
  await db.transaction().execute(async (transaction) => {
    await upsertPrincipal(transaction, principal);
    await revokeKeysOf(transaction, principal.id);
    await insertKey(transaction, {
      id,
      principal: principal.id,
      sha256: hash,
      createdBy: DEMO_KEY_ISSUER,
      expiresAt: new Date(now().getTime() + DEMO_KEY_DAYS * DAY_MS),
    });
    await appendAuditIn(transaction, {
      ...keyRecord(principal, 'keys:create', id, surroundings),
      principal: DEMO_KEY_ISSUER,
      rule: 'start',
    });
  });
  return { key, principal: principal.id };
}

function keyRecord(caller: Principal, action: string, id: string, { now, newId }: Surroundings): AuditRecord {
  return {
    id: newId(),
    at: now().toISOString(),
    tenant: caller.tenant,
    principal: caller.id,
    action,
    resource: `key:${id}`,
    allowed: true,
    rule: `role:${caller.role}`,
  };
}
