import type { Request } from 'express';
import { randomState } from 'openid-client';
import { z } from 'zod';
import { messageOf, RequestError, refusal } from '../../../foundation/errors.ts';
import { secretsEqual } from '../../../foundation/secret.ts';
import { principalsOfIdentity } from '../../identity/identities.ts';
import type { Authenticated, IdentityProvider } from '../../identity/providers/provider.ts';
import { type AuthContext, type AuthRoutes, clientOf } from './context.ts';
import { flowCookie, flowOf, noFlowCookie } from './cookies.ts';
import { finishProviderSignIn, startProviderSession } from './finish.ts';
import { safeNext } from './next.ts';
import { auditWrong, formBody, formOf } from './sign-in.ts';

type Named = Request<{ name: string }>;

const passwordForm = z.object({
  login: z.string().max(128),
  password: z.string().max(1024),
  next: z.string().optional(),
});
const tenantForm = z.object({ tenant: z.string().max(64), next: z.string().optional() });

/** Attempts at one name in the window of `AuthContext.attempts`, right or wrong. */
const ATTEMPTS = 10;

const flowExpired = (): RequestError => refusal('sign_in_expired');

/** Signing in with the identity providers of the configuration. */
export const providerRoutes: AuthRoutes = (app, context) => {
  const { providers, surroundings, wrapper, db } = context;

  function providerOf<K extends IdentityProvider['kind']>(
    request: Named,
    kind: K,
  ): Extract<IdentityProvider, { kind: K }> {
    const provider = providers.get(request.params.name);
    if (provider?.kind === kind) return provider as Extract<IdentityProvider, { kind: K }>;
    throw refusal('provider_not_found');
  }

  const redirectUri = (request: Named): string =>
    `${clientOf(request).origin}/auth/providers/${request.params.name}/callback`;

  app.get('/auth/providers/:name/start', async (request: Named, response) => {
    const provider = providerOf(request, 'redirect');
    const state = randomState();
    const { url, memory } = await asked(context, provider, () => provider.begin(redirectUri(request), state));
    const next = safeNext(request.query['next']);
    const flow = { kind: 'provider' as const, provider: provider.name, state, memory, next };
    response.append('set-cookie', flowCookie(request, wrapper, flow, surroundings.now()));
    response.set('cache-control', 'no-store').redirect(303, url.href);
  });

  app.get('/auth/providers/:name/callback', async (request: Named, response) => {
    const provider = providerOf(request, 'redirect');
    const flow = flowOf(request, wrapper, surroundings.now());
    // Whatever comes of it, it is over.
    response.append('set-cookie', noFlowCookie(request));
    const callback = new URL(clientOf(request).origin + request.originalUrl);
    const states = callback.searchParams.getAll('state');
    if (
      flow?.kind !== 'provider' ||
      flow.provider !== provider.name ||
      states.length !== 1 ||
      !secretsEqual(states[0] ?? '', flow.state)
    ) {
      await auditWrong(context, request, `provider:${provider.name}:state`);
      throw flowExpired();
    }
    const account = await asked(
      context,
      provider,
      () => provider.complete(callback, flow.state, flow.memory),
      request,
    );
    await finishProviderSignIn(context, request, response, { provider, account, next: flow.next });
  });

  app.post('/auth/providers/:name/password', formBody, async (request: Named, response) => {
    const provider = providerOf(request, 'password');
    const { login, password, next } = formOf(passwordForm, request);
    takeAttempt(context, `${provider.name}:${login.toLowerCase()}`);
    const account = await asked(context, provider, () => provider.verify(login, password));
    if (account === undefined) {
      await auditWrong(context, request, `provider:${provider.name}:password`);
      throw refusal('credentials_wrong');
    }
    await finishProviderSignIn(context, request, response, { provider, account, next: safeNext(next) });
  });

  app.post('/auth/tenant', formBody, async (request, response) => {
    const { tenant, next } = formOf(tenantForm, request);
    const flow = flowOf(request, wrapper, surroundings.now());
    if (flow?.kind !== 'tenant') throw flowExpired();
    const chosen = (await principalsOfIdentity(db, flow.identity)).find((one) => one.tenant === tenant);
    if (chosen === undefined) throw flowExpired();
    await startProviderSession(context, request, response, {
      chosen,
      next: safeNext(next),
      identity: flow.identity,
      provider: flow.provider,
      amr: flow.amr,
      authTime: flow.authTime === undefined ? undefined : new Date(flow.authTime),
      idToken: flow.idToken,
      seconds: flow.seconds,
    });
  });
};

/** @throws RequestError 429 too_many_attempts */
function takeAttempt({ attempts, monotonicMs }: AuthContext, name: string): void {
  const answer = attempts.take(name, ATTEMPTS, monotonicMs());
  if (answer.admitted) return;
  throw refusal('too_many_attempts', { retryAfter: Math.ceil(answer.retryAfterMs / 1000) });
}

/** Asks a provider; one that does not answer is said to be away, with the reason in the log alone. */
async function asked<T extends Authenticated | object | undefined>(
  context: AuthContext,
  provider: IdentityProvider,
  ask: () => Promise<T>,
  request?: Request,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RequestError) {
      context.logger.info(
        { provider: provider.name, code: error.code, reason: messageOf(error.cause) },
        'a provider refused a sign-in',
      );
      if (request !== undefined)
        await auditWrong(context, request, `provider:${provider.name}:${error.code}`);
      throw error;
    }
    context.logger.warn({ err: error, provider: provider.name }, 'a provider did not answer');
    throw refusal('provider_unavailable', { retryAfter: 5 }, {}, error);
  }
}
