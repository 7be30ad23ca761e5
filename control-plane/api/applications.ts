import type { Principal, Role } from '../../contracts/principal.ts';
import { refusal } from '../../foundation/errors.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { ApplicationScopes } from '../database/identity-schema.ts';
import type { Database } from '../database/schema.ts';
import { changePrincipal, deletePrincipal, type PrincipalChanges } from '../identity/accounts/store.ts';
import { generateApiKey } from '../identity/api-key.ts';
import {
  type Application,
  type ApplicationKey,
  changeApplication,
  findApplication,
  insertApplication,
  insertApplicationKey,
  listApplicationKeys,
  listApplications,
  liveKeys,
  revokeApplicationKey,
  shortenKey,
} from '../identity/applications/store.ts';
import { demandRoom } from '../identity/room.ts';
import { demandGrantable } from './accounts.ts';
import { actorOf, changeRecord, type IdentityTools, wrapperOf } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';
import { decisionFor, demand } from './routes/support.ts';

const DAY_MS = 86_400_000;
/** One to use, and one to change over to. */
const MOST_LIVE_KEYS = 2;

export interface ApplicationContext {
  db: Database;
  tools: IdentityTools;
  surroundings: Surroundings;
}

/** Shown once: nothing of it is kept that gives it back, except the signing secret, wrapped. */
export interface NewSecret {
  /** Names the key; visible. `client_id` of the token endpoint, and `Credential` of signed requests. */
  keyId: string;
  /** The whole key: the `client_secret` of the token endpoint, and a bearer key of its own. */
  apiKey: string;
  /** With which requests are signed. */
  signingSecret: string;
  expiresAt: string;
}

/** As owner and administrators see it. */
export interface ApplicationView extends Omit<Application, 'principal'> {
  id: string;
  name: string;
  department: string;
  role: Role;
  keys: (ApplicationKey & { prefix: string; live: boolean })[];
}

function applicationView(
  application: Application,
  keys: readonly ApplicationKey[],
  now: Date,
): ApplicationView {
  const { principal, ...rest } = application;
  const { id, name, department, role } = principal;
  return {
    id,
    name,
    department,
    role,
    ...rest,
    keys: keys.map(({ id: keyId, ...key }) => ({
      id: keyId,
      prefix: `ipk_${keyId}`,
      ...key,
      live: liveKeys([{ id: keyId, ...key }], now).length > 0,
    })),
  };
}

/** The caller's own; an administrator's are all. */
export async function applicationsOf(
  { db, surroundings }: ApplicationContext,
  caller: Principal,
): Promise<ApplicationView[]> {
  const all = decisionFor(caller, 'keys:manage', 'key').allow;
  if (!all) demand(caller, 'keys:manage', 'key', caller.id);
  const found = await listApplications(db, caller.tenant, all ? undefined : caller.id);
  const now = surroundings.now();
  return Promise.all(
    found.map(async (one) => applicationView(one, await listApplicationKeys(db, one.principal.id), now)),
  );
}

/** @throws RequestError 404; 403 when it is neither the caller's nor the caller an administrator */
async function ownApplication(
  db: Database,
  caller: Principal,
  id: string,
  locked = false,
): Promise<Application> {
  const application = await findApplication(db, caller.tenant, id, locked);
  if (application === undefined) throw refusal('application_not_found', { application: id });
  demand(caller, 'keys:manage', 'key', application.owner);
  demandGrantable(caller, application.principal.role);
  return application;
}

export async function readApplication(
  { db, surroundings }: ApplicationContext,
  caller: Principal,
  id: string,
): Promise<ApplicationView> {
  const application = await ownApplication(db, caller, id);
  return applicationView(application, await listApplicationKeys(db, id), surroundings.now());
}

export interface NewApplication {
  name: string;
  description: string;
  department: string;
  role: Role;
  scopes: ApplicationScopes;
  expiresAt?: string | undefined;
  keyDays: number;
}

/** An application of the caller's own, with its first key. */
export async function createApplication(
  context: ApplicationContext,
  caller: Principal,
  wanted: NewApplication,
): Promise<{ id: string } & NewSecret> {
  demand(caller, 'keys:manage', 'key', caller.id);
  demandGrantable(caller, wanted.role);
  const { db, surroundings } = context;
  const id = `app_${surroundings.newId()}`;
  const { name, description, department, role, scopes } = wanted;
  const secret = await db.transaction().execute(async (transaction) => {
    await insertApplication(transaction, {
      principal: { id, tenant: caller.tenant, kind: 'application', name, department, role },
      owner: caller.id,
      description,
      scopes,
      expiresAt: wanted.expiresAt === undefined ? null : new Date(wanted.expiresAt),
    });
    const actor = actorOf(caller);
    await appendAuditIn(
      transaction,
      changeRecord(actor, 'applications:create', `application:${id}`, surroundings),
    );
    return addKey(transaction, context, caller, { id, scopes, keyDays: wanted.keyDays });
  });
  return { id, ...secret };
}

async function addKey(
  transaction: Database,
  { tools, surroundings }: ApplicationContext,
  caller: Principal,
  { id, scopes, keyDays }: { id: string; scopes: ApplicationScopes; keyDays: number },
): Promise<NewSecret> {
  const { now, randomBytes } = surroundings;
  await demandRoom(transaction, 'keys', caller.tenant, now());
  const wrapper = wrapperOf(tools, 'signing');
  const { id: keyId, key, hash } = generateApiKey(randomBytes);
  const signingSecret = `ips_${randomBytes(32).toString('base64url')}`;
  const expiresAt = new Date(now().getTime() + keyDays * DAY_MS);
  await insertApplicationKey(transaction, {
    id: keyId,
    principal: id,
    sha256: hash,
    createdBy: caller.id,
    createdAt: now(),
    expiresAt,
    scopes,
    signingSecret: wrapper.wrap(signingSecret, keyId),
  });
  await appendAuditIn(
    transaction,
    changeRecord(actorOf(caller), 'keys:create', `key:${keyId}`, surroundings),
  );
  return { keyId: `ipk_${keyId}`, apiKey: key, signingSecret, expiresAt: expiresAt.toISOString() };
}

/**
 * A new key; those before it go on for the overlap, so that clients change over one by one.
 * @throws RequestError 409 when there are two live ones already
 */
export async function rotateKey(
  context: ApplicationContext,
  caller: Principal,
  id: string,
  { keyDays, overlapDays }: { keyDays: number; overlapDays: number },
): Promise<NewSecret> {
  const { db, surroundings } = context;
  return db.transaction().execute(async (transaction) => {
    // Locked: two rotations at once would each see room for one more.
    const { scopes } = await ownApplication(transaction, caller, id, true);
    const now = surroundings.now();
    const live = liveKeys(await listApplicationKeys(transaction, id), now);
    if (live.length >= MOST_LIVE_KEYS) throw refusal('keys_full', { limit: MOST_LIVE_KEYS });
    for (const key of live)
      await shortenKey(transaction, key.id, new Date(now.getTime() + overlapDays * DAY_MS));
    return addKey(transaction, context, caller, { id, scopes, keyDays });
  });
}

export async function revokeKeyOf(
  { db, surroundings }: ApplicationContext,
  caller: Principal,
  id: string,
  keyId: string,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await ownApplication(transaction, caller, id);
    if (!(await revokeApplicationKey(transaction, id, keyId.replace(/^ipk_/, ''), surroundings.now())))
      throw refusal('key_not_found', { key: keyId });
    const resource = `key:${keyId.replace(/^ipk_/, '')}`;
    await appendAuditIn(transaction, changeRecord(actorOf(caller), 'keys:revoke', resource, surroundings));
  });
}

export interface ApplicationChanges extends Omit<PrincipalChanges, 'expiresAt'> {
  description?: string | undefined;
  scopes?: ApplicationScopes | undefined;
  expiresAt?: string | null | undefined;
}

export async function editApplication(
  { db, surroundings }: ApplicationContext,
  caller: Principal,
  id: string,
  changes: ApplicationChanges,
): Promise<ApplicationView> {
  const { description, scopes, expiresAt, role, ...rest } = changes;
  return db.transaction().execute(async (transaction) => {
    const { principal } = await ownApplication(transaction, caller, id, true);
    if (role !== undefined) demandGrantable(caller, role);
    const ends = expiresAt === undefined ? undefined : expiresAt === null ? null : new Date(expiresAt);
    await changePrincipal(
      transaction,
      id,
      { ...rest, role: role === principal.role ? undefined : role, expiresAt: ends },
      { id: caller.id, now: surroundings.now() },
    );
    await changeApplication(transaction, id, { description, scopes });
    await appendAuditIn(
      transaction,
      changeRecord(actorOf(caller), 'applications:change', `application:${id}`, surroundings),
    );
    const changed = await ownApplication(transaction, caller, id);
    return applicationView(changed, await listApplicationKeys(transaction, id), surroundings.now());
  });
}

export async function deleteApplication(
  { db, surroundings }: ApplicationContext,
  caller: Principal,
  id: string,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await ownApplication(transaction, caller, id);
    await deletePrincipal(transaction, id, surroundings.now());
    await appendAuditIn(
      transaction,
      changeRecord(actorOf(caller), 'applications:delete', `application:${id}`, surroundings),
    );
  });
}
