import { messageOf } from '../../../foundation/errors.ts';
import type { Logger } from '../../../foundation/logger.ts';
import { appendAuditIn } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import {
  applyMemberships,
  claimIdentity,
  type ClaimedIdentity,
  endSessionsOfIdentity,
  forgetRefreshToken,
  identitiesDue,
  identityState,
  markFailing,
  markGone,
  type MembershipChange,
  recordIdentity,
} from '../../identity/identities.ts';
import { membershipsOf, type TenantGroups } from '../../identity/providers/membership.ts';
import type { IdentityProvider, Standing } from '../../identity/providers/provider.ts';
import { forgetSessions } from '../../identity/sessions.ts';
import type { Wrapper } from '../../identity/signing/wrap.ts';
import type { Surroundings } from '../keys.ts';

/** A provider answers in five seconds or not at all, and is asked a handful of things. */
const CLAIM_MS = 40_000;
/** A provider that did not answer is left alone for so long. */
const PAUSE_MS = 30_000;
const AT_ONCE = 4;
const BATCH = 100;
const WAIT_MS = 12_000;
const DAY_MS = 86_400_000;
const KEEP_SESSIONS_MS = 30 * DAY_MS;

export interface RecheckContext {
  db: Database;
  providers: ReadonlyMap<string, IdentityProvider>;
  tenantGroups: TenantGroups;
  wrapper: Wrapper;
  surroundings: Surroundings;
  logger: Logger;
  /** How often each account is asked about. */
  minutes: number;
  /** How long a provider may be silent before its people have to sign in again. */
  graceMinutes: number;
}

const before = (now: Date, ms: number): Date => new Date(now.getTime() - ms);

/**
 * Asks the provider whether the account stands as it did, unless that was done since `due`. However many ask at once,
 * in however many processes, the provider is asked once, and the others wait for the answer.
 */
export async function recheckIdentity(context: RecheckContext, id: string, due: Date): Promise<void> {
  const { db, surroundings } = context;
  const deadline = surroundings.now().getTime() + WAIT_MS;
  for (;;) {
    const now = surroundings.now();
    const claimed = await claimIdentity(db, id, { due, now, until: new Date(now.getTime() + CLAIM_MS) });
    if (claimed !== undefined) {
      await ask(context, claimed);
      return;
    }
    const state = await identityState(db, id);
    if (state === undefined || state.goneAt !== null || state.checkedAt > due) return;
    // Somebody asked just now and got no answer.
    if (state.failingSince !== null || now.getTime() > deadline) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function ask(context: RecheckContext, claimed: ClaimedIdentity): Promise<void> {
  const { providers, wrapper, logger } = context;
  const provider = providers.get(claimed.provider);
  let standing: Standing | undefined;
  if (provider?.issuer !== claimed.issuer) standing = { kind: 'unknown' };
  else {
    const refreshToken =
      claimed.refreshToken === null
        ? undefined
        : wrapper.unwrap(claimed.refreshToken, `token:${claimed.subject}`);
    try {
      standing = await provider.standing({ subject: claimed.subject, refreshToken });
    } catch (error) {
      logger.warn(
        { provider: claimed.provider, identity: claimed.id, reason: messageOf(error) },
        'a provider could not be asked about an account',
      );
    }
  }
  await settle(context, claimed, standing);
}

async function settle(
  context: RecheckContext,
  claimed: ClaimedIdentity,
  standing: Standing | undefined,
): Promise<void> {
  const { db, surroundings, providers, tenantGroups, wrapper } = context;
  const now = surroundings.now();
  await db.transaction().execute(async (transaction) => {
    if (standing === undefined) {
      await markFailing(transaction, claimed.id, now, new Date(now.getTime() + PAUSE_MS));
      const silent = now.getTime() - claimed.checkedAt.getTime();
      if (silent < (context.minutes + context.graceMinutes) * 60_000) return;
      await endAll(transaction, context, claimed, 'provider:silent');
      return;
    }
    if (standing.kind === 'unknown') {
      // Whoever signed in meanwhile has brought a token that the provider was not asked about.
      if (!(await forgetRefreshToken(transaction, claimed.id, claimed.refreshToken, now))) return;
      await endAll(transaction, context, claimed, 'provider:not-vouched-for');
      return;
    }
    const memberships =
      standing.kind === 'gone'
        ? []
        : membershipsOf(
            standing.profile.groups,
            providers.get(claimed.provider)?.tenants ?? [],
            tenantGroups,
          );
    const profile = standing.kind === 'gone' ? { name: '', department: '' } : standing.profile;
    if (standing.kind === 'member') {
      const token = standing.refreshToken;
      await recordIdentity(
        transaction,
        {
          provider: claimed.provider,
          issuer: claimed.issuer,
          profile: standing.profile,
          refreshToken: token === undefined ? null : wrapper.wrap(token, `token:${claimed.subject}`),
        },
        { now, newId: surroundings.newId },
      );
    } else await markGone(transaction, claimed.id, now);
    const { changes } = await applyMemberships(transaction, { id: claimed.id, profile }, memberships, {
      now,
      newId: surroundings.newId,
    });
    await auditChanges(transaction, changes, claimed.provider, surroundings);
  });
}

async function endAll(
  transaction: Database,
  { surroundings }: RecheckContext,
  claimed: ClaimedIdentity,
  rule: string,
): Promise<void> {
  const now = surroundings.now();
  for (const { principal, tenant } of await endSessionsOfIdentity(transaction, claimed.id, rule, now))
    await appendAuditIn(transaction, {
      id: surroundings.newId(),
      at: now.toISOString(),
      tenant,
      principal,
      action: 'sessions:end',
      resource: `principal:${principal}`,
      allowed: true,
      rule,
    });
}

export async function auditChanges(
  transaction: Database,
  changes: readonly MembershipChange[],
  provider: string,
  { now, newId }: Pick<Surroundings, 'now' | 'newId'>,
): Promise<void> {
  for (const { kind, principal, tenant, role } of changes)
    await appendAuditIn(transaction, {
      id: newId(),
      at: now().toISOString(),
      tenant,
      principal,
      action: `members:${kind}`,
      resource: `principal:${principal}`,
      allowed: true,
      rule: `provider:${provider}:${role}`,
    });
}

/** Asks about every account in its turn, and forgets sessions long over. Several APIs may do so at once. */
export function startRechecks(context: RecheckContext): () => Promise<void> {
  const { db, providers, surroundings, logger, minutes } = context;
  const everyMs = Math.min(30_000, (minutes * 60_000) / 4);
  const askable = [...providers.values()]
    .filter(({ needsRefreshToken }) => !needsRefreshToken)
    .map(({ name }) => name);
  let forgotten = 0;

  async function round(): Promise<void> {
    const now = surroundings.now();
    const due = before(now, minutes * 60_000);
    const ids = await identitiesDue(db, { due, now, askable, limit: BATCH });
    const waiting = ids.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const id of waiting) await recheckIdentity(context, id, due);
      }),
    );
    if (now.getTime() - forgotten < DAY_MS) return;
    forgotten = now.getTime();
    await forgetSessions(db, before(now, KEEP_SESSIONS_MS));
  }

  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= round()
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'accounts could not be checked with their providers');
      })
      .finally(() => {
        running = undefined;
      });
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
