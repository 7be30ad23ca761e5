import type { Conditions, Grant } from '../../../contracts/access.ts';
import { role } from '../../../contracts/principal.ts';
import { refusal } from '../../../foundation/errors.ts';
import {
  countGrants,
  deleteGrant,
  findGrant,
  insertGrant,
  type StoredGrant,
} from '../../access/store/grants.ts';
import { findProject } from '../../access/store/projects.ts';
import { findRole } from '../../access/store/roles.ts';
import { lockRights } from '../../access/store/given.ts';
import { appendAuditIn } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import { type Caller, decisionFor, demand, fieldsInvalid } from '../routes/support.ts';
import { type AccessContext, demandHeld, demandPrincipal, rightsRecord } from './giver.ts';

const MAX_GRANTS = 20_000;
const PAST = { en: 'it lies in the past', zh: '该时间已过' };

export interface NewGrant {
  subject: Grant['subject'];
  actions: string[];
  resources: string[];
  conditions?: Conditions | undefined;
  expiresAt?: string | undefined;
  note: string;
}

/**
 * Whom one may give to: administrators to everybody of the tenant, owners of a project to its members.
 * @throws RequestError 403, 404
 */
async function demandSubject(
  transaction: Database,
  caller: Caller,
  { kind, id }: Grant['subject'],
): Promise<void> {
  if (kind === 'project') {
    const project = await findProject(transaction, caller.tenant, id);
    if (project === undefined) throw refusal('project_not_found', { project: id });
    demand(caller, 'projects:manage', 'project', project.owner);
    return;
  }
  demand(caller, 'members:manage', 'account');
  if (kind === 'principal') await demandPrincipal(transaction, caller.tenant, id);
  else if (!role.options.some((one) => one === id) && !(await findRole(transaction, caller.tenant, id)))
    throw refusal('role_not_found', { role: id });
}

/** @throws RequestError 403 when the caller does not hold it itself; 404; 409 */
export async function giveGrant(
  { db, surroundings }: AccessContext,
  caller: Caller,
  { subject, actions, resources, conditions, expiresAt, note }: NewGrant,
): Promise<{ id: string }> {
  const now = surroundings.now();
  const id = surroundings.newId();
  if (expiresAt !== undefined && Date.parse(expiresAt) <= now.getTime())
    throw fieldsInvalid([{ field: 'expiresAt', message: PAST }]);
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    if ((await countGrants(transaction, caller.tenant)) >= MAX_GRANTS)
      throw refusal('too_many_grants', { limit: MAX_GRANTS });
    await demandSubject(transaction, caller, subject);
    await demandHeld(
      transaction,
      caller,
      [{ permission: { actions, resources }, conditions, expiresAt }],
      now,
    );
    await insertGrant(transaction, caller.tenant, {
      id,
      subject,
      actions,
      resources,
      conditions,
      note,
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
      givenBy: caller.id,
      givenAt: now,
    });
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'grants:create', `grant:${id}`, {
        surroundings,
        change: {
          subject,
          actions,
          resources,
          ...(conditions === undefined ? {} : { conditions }),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        },
      }),
    );
  });
  return { id };
}

/** Whoever gave it, whoever may give it, and administrators. @throws RequestError 403, 404 */
export async function withdrawGrant(
  { db, surroundings }: AccessContext,
  caller: Caller,
  id: string,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const found = await findGrant(transaction, caller.tenant, id);
    if (found === undefined) throw refusal('grant_not_found', { grant: id });
    if (found.givenBy !== caller.id && !decisionFor(caller, 'members:manage', 'account').allow)
      await demandSubject(transaction, caller, found.subject);
    await deleteGrant(transaction, caller.tenant, id);
    const { subject, actions, resources } = found;
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'grants:withdraw', `grant:${id}`, {
        surroundings,
        change: { subject, actions, resources },
      }),
    );
  });
}

interface GrantView extends Omit<StoredGrant, 'conditions' | 'expiresAt'> {
  conditions?: Conditions;
  expiresAt?: Date;
}

/** As a client sees it. */
export function grantView({ conditions, expiresAt, ...grant }: StoredGrant): GrantView {
  return {
    ...grant,
    ...(conditions === null ? {} : { conditions }),
    ...(expiresAt === null ? {} : { expiresAt }),
  };
}
