import { sql } from 'kysely';
import type { AssertionClaims } from '../../../contracts/assertion.ts';
import type { Principal } from '../../../contracts/principal.ts';
import { RequestError, refusal } from '../../../foundation/errors.ts';
import { compileAccess, compileScopes } from '../../access/compile.ts';
import { type AccessContext, decide } from '../../access/decide.ts';
import { givenTo } from '../../access/explain.ts';
import { isBulk } from '../../access/exports.ts';
import { lockRights, readGiven } from '../../access/store/given.ts';
import { appendAuditIn } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import { changeRecord } from '../identity-tools.ts';
import type { KnownModel } from '../compile.ts';
import { type ApiContext, fieldsInvalid } from '../routes/support.ts';
import { demandPrincipal, subjectWith } from './giver.ts';

const ONE = { en: 'name one model at a time', zh: '每次只能指定一个模型' };

/** Leave is for one download, not for good. */
const LEAVE_MS = 15 * 60_000;

/** Leave to take a model's files out of the model store. */
export interface ModelExport {
  id: string;
  model: string;
  files: KnownModel['files'];
  expiresAt: string;
}

/**
 * Leave for one model. Many at once, or one after another, are refused and raise an alert.
 * @throws RequestError 403 access_denied, 403 bulk_export_refused, 404
 */
export async function exportModel(
  context: ApiContext,
  claims: AssertionClaims,
  names: readonly string[],
): Promise<ModelExport> {
  const { db, declared, surroundings } = context;
  const caller = claims.principal;
  const now = surroundings.now();
  const [name = ''] = names;
  // What refuses is recorded, so the record is not in a transaction that an error would undo.
  const outcome = await db.transaction().execute(async (transaction): Promise<ModelExport | RequestError> => {
    await lockRights(transaction, caller.tenant);
    const refused = await refusalOf(transaction, context, claims, { names, now });
    if (refused !== undefined) return refused;
    const files = declared.models.get(caller.tenant)?.get(name)?.files ?? [];
    const id = surroundings.newId();
    const expiresAt = new Date(now.getTime() + LEAVE_MS);
    await transaction
      .insertInto('model_export')
      .values({
        id,
        tenant: caller.tenant,
        principal: caller.id,
        model: name,
        given_at: now,
        expires_at: expiresAt,
      })
      .execute();
    await record(transaction, context, caller, { action: 'export', names: [name], rule: 'model-export' });
    return { id, model: name, files, expiresAt: expiresAt.toISOString() };
  });
  if (outcome instanceof RequestError) throw outcome;
  return outcome;
}

async function refusalOf(
  transaction: Database,
  context: ApiContext,
  claims: AssertionClaims,
  { names, now }: { names: readonly string[]; now: Date },
): Promise<RequestError | undefined> {
  const caller = claims.principal;
  // First of all: whoever tries to take everything is told of, with the permission or without.
  if (isBulk([...names, ...(await recentExports(transaction, caller.id, now))])) {
    await record(transaction, context, caller, {
      action: 'alert',
      names,
      rule: 'bulk-export',
      allowed: false,
    });
    return refusal('bulk_export_refused');
  }
  if (names.length > 1) return fieldsInvalid([{ field: 'models', message: ONE }]);
  const known = context.declared.models.get(caller.tenant);
  const given = await readGiven(transaction, now, caller.tenant);
  const principal = await demandPrincipal(transaction, caller.tenant, caller.id);
  const subject = subjectWith(principal, given);
  const own = givenTo(subject, given, now);
  const policy = context.tenants[caller.tenant];
  const access = compileAccess({
    tenants: policy === undefined ? {} : { [caller.tenant]: policy },
    services: {},
    roles: Object.fromEntries(own.roles.map((role) => [role.name, role])),
    grants: own.grants,
  });
  for (const name of names) {
    if (known?.has(name) !== true) return refusal('model_not_found', { model: name });
    const { allow, rule, reason } = decide(
      subject,
      'export',
      { kind: 'model', tenant: caller.tenant, name },
      { tenant: access.get(caller.tenant), ...circumstancesOf(claims, now) },
    );
    if (allow) continue;
    await record(transaction, context, caller, { action: 'export', names: [name], rule, allowed: false });
    return refusal('access_denied', { rule, reason });
  }
  return undefined;
}

/** As the gateway saw them; what it did not say counts as the worst. */
function circumstancesOf(
  { principal: { actions }, circumstances }: AssertionClaims,
  now: Date,
): Omit<AccessContext, 'tenant'> {
  const seen = circumstances ?? { address: '', secondFactor: false, key: {} };
  const scopes = actions === undefined ? undefined : compileScopes({ actions });
  const createdAt = seen.key?.createdAt === undefined ? undefined : Date.parse(seen.key.createdAt);
  return {
    at: now.getTime(),
    address: seen.address,
    secondFactor: seen.secondFactor,
    // Whom tenants ask for a second factor at sign-in, the gateway has decided already.
    vouched: true,
    ...(seen.key === undefined && scopes === undefined ? {} : { key: { createdAt, scopes } }),
  };
}

async function recentExports(transaction: Database, principal: string, now: Date): Promise<string[]> {
  const rows = await transaction
    .selectFrom('model_export')
    .select('model')
    .distinct()
    .where('principal', '=', principal)
    .where('given_at', '>', sql<Date>`${now}::timestamptz - interval '24 hours'`)
    .execute();
  return rows.map(({ model }) => model);
}

async function record(
  transaction: Database,
  { surroundings }: ApiContext,
  caller: Principal,
  what: { action: string; names: readonly string[]; rule: string; allowed?: boolean },
): Promise<void> {
  const actor = { id: caller.id, tenant: caller.tenant, rule: what.rule };
  const [first = ''] = what.names;
  await appendAuditIn(transaction, {
    ...changeRecord(actor, what.action, `model:${first}`, surroundings),
    allowed: what.allowed ?? true,
    ...(what.names.length > 1 ? { change: { models: what.names.slice(0, 100) } } : {}),
  });
}
