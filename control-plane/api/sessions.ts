import { appendAuditIn, type AuditRecord } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { endSession, endSessionsOf } from '../identity/sessions.ts';
import type { Surroundings } from './keys.ts';

/** Who ends sessions, and by which right. */
export interface SessionActor {
  id: string;
  tenant: string;
  rule: string;
  clientIp?: string;
}

function record(
  actor: SessionActor,
  resource: string,
  { now, newId }: Pick<Surroundings, 'now' | 'newId'>,
): AuditRecord {
  return {
    id: newId(),
    at: now().toISOString(),
    tenant: actor.tenant,
    principal: actor.id,
    action: 'sessions:end',
    resource,
    allowed: true,
    rule: actor.rule,
    ...(actor.clientIp === undefined ? {} : { clientIp: actor.clientIp }),
  };
}

/** False when the actor's tenant, or the principal when one is named, has no such session in force. */
export async function endOneSession(
  db: Database,
  actor: SessionActor,
  which: { id: string; principal?: string | undefined },
  surroundings: Surroundings,
): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const ended = await endSession(
      transaction,
      { ...which, tenant: actor.tenant },
      actor.id,
      surroundings.now(),
    );
    if (ended === undefined) return false;
    await appendAuditIn(transaction, record(actor, `session:${which.id}`, surroundings));
    return true;
  });
}

/** Ends all of a principal's sessions, and what else hangs on its epoch. False when the tenant has no such principal. */
export async function endAllSessions(
  db: Database,
  actor: SessionActor,
  principal: string,
  surroundings: Surroundings,
): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const which = { principal, tenant: actor.tenant };
    if (!(await endSessionsOf(transaction, which, actor.id, surroundings.now()))) return false;
    await appendAuditIn(transaction, record(actor, `principal:${principal}`, surroundings));
    return true;
  });
}
