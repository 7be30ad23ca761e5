import type { z } from 'zod';
import type { AssertionClaims } from '../../../contracts/assertion.ts';
import type { Snapshot } from '../../../contracts/snapshot.ts';
import { refusal, type RequestError } from '../../../foundation/errors.ts';
import { check, type FieldProblem } from '../../../foundation/field-problems.ts';
import type { Localized } from '../../../foundation/language.ts';
import { compileScopes, openTenant } from '../../access/compile.ts';
import { type AccessContext, type Decision, decide, type Resource } from '../../access/decide.ts';
import type { Action } from '../../access/roles.ts';
import type { Database } from '../../database/schema.ts';
import type { modelsOf } from '../compile.ts';
import type { IdentityTools } from '../identity-tools.ts';
import type { Surroundings } from '../keys.ts';

/** Who makes the request, with the actions that its key is limited to, if it is. */
export type Caller = AssertionClaims['principal'];

/** What every route of `/api/v1` is given. */
export interface ApiContext extends BaseContext {
  /** What git declares besides tenants. */
  declared: { services: Snapshot['services']; models: ReturnType<typeof modelsOf> };
}

const MOST_PROBLEMS = 50;

export interface BaseContext {
  db: Database;
  tenants: Snapshot['tenants'];
  surroundings: Surroundings;
  identity: IdentityTools;
}

/** Where, when and how was judged by the gateway, before the request came here. What is left is the key's scopes. */
function fromGateway({ actions }: Caller): AccessContext {
  const open = { tenant: openTenant, at: 0, address: '', secondFactor: true };
  return actions === undefined
    ? open
    : { ...open, key: { createdAt: undefined, scopes: compileScopes({ actions }) } };
}

export function decisionFor(
  caller: Caller,
  action: Action,
  kind: Resource['kind'],
  owner?: string,
): Decision {
  const resource = { kind, tenant: caller.tenant, ...(owner === undefined ? {} : { owner }) };
  return decide(caller, action, resource, fromGateway(caller));
}

/** @throws RequestError 403 access_denied, with the rule and the reason. */
export function demand(...question: Parameters<typeof decisionFor>): void {
  const { allow, reason, rule } = decisionFor(...question);
  if (!allow) throw refusal('access_denied', { rule, reason });
}

/** @throws RequestError 422 field_invalid, naming each field that is wrong, what it may be and what it is. */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const checked = check(schema, value ?? {});
  if (checked.ok) return checked.value;
  throw fieldsInvalid(checked.problems);
}

const WHOLE: Localized = { en: '(the whole)', zh: '（整体）' };

/** @param problems - at least one; the sentence tells of the first */
export function fieldsInvalid(problems: readonly FieldProblem[]): RequestError {
  const named = problems.slice(0, MOST_PROBLEMS).map(({ field, message }) => ({
    field: field === '' ? WHOLE : field,
    message,
  }));
  const [first] = named;
  return refusal('field_invalid', { field: first?.field, problem: first?.message, problems: named });
}
