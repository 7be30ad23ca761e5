import type { Request, Response } from 'express';
import { verifySession } from '../../../contracts/session.ts';
import { type RequestError, refusal } from '../../../foundation/errors.ts';
import { pageHeaders } from '../../../foundation/page.ts';
import { appendAuditIn, type AuditRecord } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import { applyMemberships, recordIdentity, type UsablePrincipal } from '../../identity/identities.ts';
import { membershipsOf } from '../../identity/providers/membership.ts';
import type { Authenticated, IdentityProvider } from '../../identity/providers/provider.ts';
import {
  createSession,
  endSession,
  findSession,
  type LiveSession,
  type NewSession,
} from '../../identity/sessions.ts';
import { type AuthContext, clientOf } from './context.ts';
import { flowCookie, noFlowCookie, sessionCookie, sessionTokenOf } from './cookies.ts';
import { chooseTenantPage } from './pages.ts';
import { auditChanges } from './recheck.ts';

/** An ID token larger than this does not fit beside the rest into a cookie. */
const MAX_ID_TOKEN_IN_COOKIE = 1_800;

/** The browser's session, when it has one in force. */
export async function sessionOf(context: AuthContext, request: Request): Promise<LiveSession | undefined> {
  const token = sessionTokenOf(request);
  const now = context.surroundings.now();
  const claims = token === undefined ? undefined : await verifySession(token, context.sessionKeys, now);
  if (claims === undefined) return undefined;
  const session = await findSession(context.db, claims.sid, now);
  return session?.principal === claims.sub ? session : undefined;
}

export const accountDisabled = (): RequestError => refusal('account_disabled');

/** One record of signing in or out, in the transaction of what it records. */
export function signInRecord(
  { surroundings }: Pick<AuthContext, 'surroundings'>,
  request: Request,
  what: Pick<AuditRecord, 'tenant' | 'principal' | 'action' | 'resource' | 'allowed' | 'rule'>,
): AuditRecord {
  return {
    id: surroundings.newId(),
    at: surroundings.now().toISOString(),
    clientIp: clientOf(request).address,
    ...what,
  };
}

/**
 * Begins a session of its own for whoever just proved who they are, in place of the one that the browser had, and sends
 * the browser where it wanted to go. Every way of signing in ends here.
 */
export async function startSession(
  context: AuthContext,
  request: Request,
  response: Response,
  wanted: Omit<NewSession, 'client'> & { tenant: string; rule: string; next: string },
): Promise<void> {
  const { db, sessions, surroundings } = context;
  const former = await sessionOf(context, request);
  const { tenant, rule, next, ...session } = wanted;
  const issued = await db.transaction().execute(async (transaction) => {
    if (former !== undefined) await endSession(transaction, former, 'replaced', surroundings.now());
    const made = await createSession(transaction, sessions, {
      ...session,
      client: { address: clientOf(request).address, userAgent: request.get('user-agent') ?? '' },
    });
    if (made !== undefined) {
      const resource = `session:${made.id}`;
      const { principal } = session;
      await appendAuditIn(
        transaction,
        signInRecord(context, request, {
          tenant,
          principal,
          action: 'sign-in',
          resource,
          allowed: true,
          rule,
        }),
      );
    }
    return made;
  });
  if (issued === undefined) throw accountDisabled();
  response.append('set-cookie', sessionCookie(request, issued.token, issued.expiresAt, surroundings.now()));
  response.append('set-cookie', noFlowCookie(request));
  response.set('cache-control', 'no-store').redirect(303, next);
}

/** What a provider said of somebody, made an account and a session of ours. */
export async function finishProviderSignIn(
  context: AuthContext,
  request: Request,
  response: Response,
  { provider, account, next }: { provider: IdentityProvider; account: Authenticated; next: string },
): Promise<void> {
  const { db, surroundings, wrapper, tenantGroups } = context;
  const outside = { now: surroundings.now(), newId: surroundings.newId };
  const memberships = membershipsOf(account.groups, provider.tenants, tenantGroups);
  const { identity, usable, disabled } = await db.transaction().execute(async (transaction) => {
    const identity = await recordIdentity(
      transaction,
      {
        provider: provider.name,
        issuer: provider.issuer,
        profile: account,
        refreshToken:
          account.refreshToken === undefined
            ? null
            : wrapper.wrap(account.refreshToken, `token:${account.subject}`),
      },
      outside,
    );
    const result = await applyMemberships(
      transaction,
      { id: identity, profile: account },
      memberships,
      outside,
    );
    await auditChanges(transaction, result.changes, provider.name, surroundings);
    await auditRefusals(transaction, context, request, { identity, provider, ...result });
    return { identity, ...result };
  });
  const [only] = usable;
  if (only === undefined) {
    if (disabled.length > 0) throw accountDisabled();
    throw refusal('sign_in_not_a_member');
  }
  // Without a refresh token nobody can be asked about the person, so that the session must end before it matters.
  const short = provider.needsRefreshToken && account.refreshToken === undefined;
  const seconds = short ? context.minutes * 60 : undefined;
  if (usable.length > 1) {
    const idToken = (account.idToken?.length ?? 0) > MAX_ID_TOKEN_IN_COOKIE ? undefined : account.idToken;
    const flow = {
      kind: 'tenant' as const,
      identity,
      provider: provider.name,
      amr: account.amr,
      authTime: account.authTime?.getTime(),
      idToken,
      seconds,
    };
    response.append('set-cookie', flowCookie(request, wrapper, flow, outside.now));
    const page = chooseTenantPage(
      clientOf(request).language,
      usable.map(({ tenant }) => tenant),
      next,
    );
    response.status(200).set(pageHeaders).send(page);
    return;
  }
  await startProviderSession(context, request, response, {
    chosen: only,
    next,
    identity,
    provider: provider.name,
    amr: account.amr,
    authTime: account.authTime,
    idToken: account.idToken,
    seconds,
  });
}

export async function startProviderSession(
  context: AuthContext,
  request: Request,
  response: Response,
  given: {
    chosen: UsablePrincipal;
    next: string;
    identity: string;
    provider: string;
    amr: string[];
    authTime: Date | undefined;
    idToken: string | undefined;
    seconds: number | undefined;
  },
): Promise<void> {
  const { chosen, next, identity, provider, amr, authTime, idToken, seconds } = given;
  await startSession(context, request, response, {
    principal: chosen.principal,
    tenant: chosen.tenant,
    rule: `provider:${provider}`,
    next,
    identity,
    amr,
    authTime,
    idToken: idToken === undefined ? undefined : context.wrapper.wrap(idToken, `id-token:${identity}`),
    ...(seconds === undefined ? {} : { seconds }),
  });
}

/** Whoever is known by a provider and not let in stands in the audit of the tenants that the provider speaks for. */
async function auditRefusals(
  transaction: Database,
  context: AuthContext,
  request: Request,
  refused: {
    identity: string;
    provider: IdentityProvider;
    usable: readonly unknown[];
    disabled: readonly string[];
  },
): Promise<void> {
  if (refused.usable.length > 0) return;
  const { identity, provider, disabled } = refused;
  const rule = disabled.length > 0 ? 'account-disabled' : 'not-a-member';
  for (const tenant of disabled.length > 0 ? disabled : provider.tenants)
    await appendAuditIn(
      transaction,
      signInRecord(context, request, {
        tenant,
        principal: '',
        action: 'sign-in',
        resource: `identity:${identity}`,
        allowed: false,
        rule,
      }),
    );
}
