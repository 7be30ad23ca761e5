import type { Principal } from '../../contracts/principal.ts';
import { refusal } from '../../foundation/errors.ts';
import type { AuditRecord } from '../audit/record.ts';
import { createPasswordHasher, HasherBusy, type PasswordHasher } from '../identity/accounts/password.ts';
import { createWrapper, type Wrapper } from '../identity/signing/wrap.ts';
import type { Surroundings } from './keys.ts';

/** What accounts and applications are made with. Without a key for secrets there are no second factors and no signed requests. */
export interface IdentityTools {
  hasher: PasswordHasher;
  totp: Wrapper | undefined;
  signing: Wrapper | undefined;
}

/** Two cores hash at once, and a few more sign-ins wait. */
const HASHING = { concurrency: 2, waiting: 32 };

export function createIdentityTools(
  secretsKey: string | undefined,
  randomBytes: (size: number) => Buffer,
): IdentityTools {
  const wrapper = (purpose: Parameters<typeof createWrapper>[1]): Wrapper | undefined =>
    secretsKey === undefined ? undefined : createWrapper(secretsKey, purpose, randomBytes);
  return {
    hasher: tellingBusy(createPasswordHasher({ randomBytes, ...HASHING })),
    totp: wrapper('totp-secret'),
    signing: wrapper('signing-secret'),
  };
}

/** @throws RequestError 503, from either, when too many passwords are in work. */
function tellingBusy(hasher: PasswordHasher): PasswordHasher {
  const told = (error: unknown): never => {
    if (!(error instanceof HasherBusy)) throw error;
    throw refusal('sign_in_busy', { retryAfter: 2 });
  };
  return {
    hash: (password) => hasher.hash(password).catch(told),
    verify: (password, stored) => hasher.verify(password, stored).catch(told),
  };
}

/** @throws RequestError 503 when the API was started without `secretsKeyFile`. */
export function wrapperOf(tools: IdentityTools, purpose: 'totp' | 'signing'): Wrapper {
  const wrapper = tools[purpose];
  if (wrapper !== undefined) return wrapper;
  throw refusal('secrets_key_missing');
}

/** Who changes something: a person, or a rule of the product. */
export type Actor = Pick<Principal, 'id' | 'tenant'> & { rule: string };

export const actorOf = (caller: Principal): Actor => ({
  id: caller.id,
  tenant: caller.tenant,
  rule: `role:${caller.role}`,
});

/** What nobody in particular does. */
export const system = (tenant: string, rule: string): Actor => ({ id: 'system', tenant, rule });

export function changeRecord(
  actor: Actor,
  action: string,
  resource: string,
  { now, newId }: Pick<Surroundings, 'now' | 'newId'>,
): AuditRecord {
  return {
    id: newId(),
    at: now().toISOString(),
    tenant: actor.tenant,
    principal: actor.id,
    action,
    resource,
    allowed: true,
    rule: actor.rule,
  };
}
