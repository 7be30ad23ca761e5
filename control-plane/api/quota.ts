import type { Principal } from '../../contracts/principal.ts';
import { refusal } from '../../foundation/errors.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { adjust, type BalanceOf } from '../quota/adjustments.ts';
import { setBound } from '../quota/bounds.ts';
import type { Amounts, Period, Scope, Unit } from '../quota/units.ts';
import type { Surroundings } from './keys.ts';

/** Amounts as people write them: whole megapixels and seconds. */
export interface PublicAmounts {
  requests: number;
  megapixels: number;
  steps: number;
  computeSeconds: number;
}

export const toAmounts = ({ requests, megapixels, steps, computeSeconds }: PublicAmounts): Amounts => ({
  requests,
  pixels: megapixels * 1e6,
  steps,
  computeMs: computeSeconds * 1e3,
});

export const toPublic = ({ requests, pixels, steps, computeMs }: Amounts): PublicAmounts => ({
  requests,
  megapixels: pixels / 1e6,
  steps,
  computeSeconds: computeMs / 1e3,
});

/** Each unit by its public name, with how many of its own it is. */
export const publicUnits: Record<keyof PublicAmounts, { unit: Unit; factor: number }> = {
  requests: { unit: 'requests', factor: 1 },
  megapixels: { unit: 'pixels', factor: 1e6 },
  steps: { unit: 'steps', factor: 1 },
  computeSeconds: { unit: 'computeMs', factor: 1e3 },
};

/** A grant or a reset, in one transaction with its audit record; gives what was given. @throws RequestError 404 */
export async function adjustQuota(
  db: Database,
  actor: { caller: Principal; rule: string },
  wanted: BalanceOf & { kind: 'grant' | 'reset'; amounts: Amounts; reason: string },
  { now, newId }: Surroundings,
): Promise<{ id: string; given: Amounts }> {
  const { amounts, ...adjustment } = wanted;
  const id = newId();
  const at = now();
  const given = await db.transaction().execute(async (transaction) => {
    await demandSubject(transaction, wanted);
    const result = await adjust(transaction, { ...adjustment, id, at, by: actor.caller.id }, amounts);
    await appendAuditIn(transaction, auditOf(actor, id, at, wanted, `quota:${wanted.kind}`));
    return result;
  });
  return { id, given };
}

/** Sets or takes away a bound of a project, a user, or all of them. */
export async function changeBound(
  db: Database,
  actor: { caller: Principal; rule: string },
  wanted: { scope: 'project' | 'user'; subject: string; period: Period; unit: Unit; bound: number | null },
  { now, newId }: Surroundings,
): Promise<void> {
  const of = { tenant: actor.caller.tenant, ...wanted };
  const at = now();
  await db.transaction().execute(async (transaction) => {
    if (wanted.subject !== '') await demandSubject(transaction, of);
    await setBound(transaction, of, { id: actor.caller.id, now: at });
    await appendAuditIn(transaction, auditOf(actor, newId(), at, of, 'quota:bound'));
  });
}

function auditOf(
  { caller, rule }: { caller: Principal; rule: string },
  id: string,
  at: Date,
  of: { tenant: string; scope: Scope; subject: string; period: Period },
  action: string,
) {
  return {
    id,
    at: at.toISOString(),
    // Those whose quota it is have to see it.
    tenant: of.tenant,
    principal: caller.id,
    action,
    resource: `quota:${of.tenant}/${of.scope}${of.subject === '' ? '' : `/${of.subject}`}/${of.period}`,
    allowed: true,
    rule,
  };
}

async function demandSubject(
  db: Database,
  { tenant, scope, subject }: { tenant: string; scope: Scope; subject: string },
): Promise<void> {
  if (scope !== 'user') return;
  const found = await db
    .selectFrom('principal')
    .select('id')
    .where('id', '=', subject)
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  if (found === undefined) throw refusal('principal_not_found', { principal: subject });
}
