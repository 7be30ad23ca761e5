import express, { type Request } from 'express';
import { z } from 'zod';
import { type RequestError, refusal } from '../../../foundation/errors.ts';
import { pageHeaders } from '../../../foundation/page.ts';
import { appendAuditIn } from '../../audit/record.ts';
import { hashApiKey } from '../../identity/api-key.ts';
import { endSession, findKey, renewSession } from '../../identity/sessions.ts';
import { type AuthContext, type AuthRoutes, clientOf } from './context.ts';
import { noSessionCookie, sessionCookie } from './cookies.ts';
import { sessionOf, signInRecord, startSession } from './finish.ts';
import { safeNext } from './next.ts';
import { signedOutPage, signInPage } from './pages.ts';
import { recheckIdentity } from './recheck.ts';

const RECHECKED_MS = 60_000;

const keyForm = z.object({ key: z.string().max(256).default(''), next: z.string().optional() });

export const formBody = express.urlencoded({ extended: false, limit: '8kb', parameterLimit: 20 });

export const formInvalid = (): RequestError => refusal('form_invalid');

/** @throws RequestError 400 form_invalid */
export function formOf<S extends z.ZodType>(schema: S, request: Request): z.infer<S> {
  const parsed = schema.safeParse(request.body);
  if (request.is('application/x-www-form-urlencoded') === false || !parsed.success) throw formInvalid();
  return parsed.data;
}

export const sessionInvalid = (): RequestError => refusal('session_invalid');

/** The sign-in page, sessions by API key, and the end and renewal of any session. */
export const signInRoutes: AuthRoutes = (app, context) => {
  const { db, providers, surroundings } = context;

  app.get('/auth/sign-in', (request, response) => {
    const { language } = clientOf(request);
    const next = safeNext(request.query['next']);
    response.set(pageHeaders).send(signInPage({ language, next, providers: providers.values() }));
  });

  app.post('/auth/sign-in', formBody, async (request, response) => {
    const form = formOf(keyForm, request);
    const key = await findKey(db, hashApiKey(form.key.trim()), surroundings.now());
    if (key === undefined) {
      await auditWrong(context, request, 'key-unknown');
      throw refusal('key_unknown');
    }
    await startSession(context, request, response, {
      principal: key.principal,
      tenant: key.tenant,
      amr: ['key'],
      key: key.id,
      rule: `key:${key.id}`,
      next: safeNext(form.next),
    });
  });

  app.post('/auth/sign-out', async (request, response) => {
    const session = await sessionOf(context, request);
    response.append('set-cookie', noSessionCookie(request));
    if (session !== undefined)
      await db.transaction().execute(async (transaction) => {
        await endSession(transaction, session, session.principal, surroundings.now());
        const { tenant, principal } = session;
        await appendAuditIn(
          transaction,
          signInRecord(context, request, {
            tenant,
            principal,
            action: 'sign-out',
            resource: `session:${session.id}`,
            allowed: true,
            rule: 'own-session',
          }),
        );
      });
    const there = session === undefined ? undefined : await signOutThere(context, request, session);
    response.set('cache-control', 'no-store');
    if (there === undefined) response.redirect(303, '/');
    else response.set(pageHeaders).send(signedOutPage(clientOf(request).language, there.href));
  });

  app.post('/auth/refresh', async (request, response) => {
    const session = await sessionOf(context, request);
    if (session === undefined) throw sessionInvalid();
    const due = new Date(surroundings.now().getTime() - RECHECKED_MS);
    if (session.identity !== null) await recheckIdentity(context, session.identity, due);
    const still = await sessionOf(context, request);
    const renewed = still === undefined ? undefined : await renewSession(db, context.sessions, still);
    if (renewed === undefined) {
      response.append('set-cookie', noSessionCookie(request));
      throw sessionInvalid();
    }
    const { token, expiresAt } = renewed;
    response.append('set-cookie', sessionCookie(request, token, expiresAt, surroundings.now()));
    response.set('cache-control', 'no-store').json({ expiresAt: expiresAt.toISOString() });
  });
};

/** Where the session at the provider is ended; a provider that is away keeps nobody signed in here. */
async function signOutThere(
  context: AuthContext,
  request: Request,
  { identity, idToken }: { identity: string | null; idToken: string | null },
): Promise<URL | undefined> {
  const { db, providers, wrapper, logger } = context;
  if (identity === null) return undefined;
  const known = await db
    .selectFrom('identity')
    .select('provider')
    .where('id', '=', identity)
    .executeTakeFirst();
  const provider = providers.get(known?.provider ?? '');
  if (provider?.kind !== 'redirect' || provider.signOutUrl === undefined) return undefined;
  const token = idToken === null ? undefined : wrapper.unwrap(idToken, `id-token:${identity}`);
  try {
    return await provider.signOutUrl(token, `${clientOf(request).origin}/`);
  } catch (error) {
    logger.warn({ err: error, provider: provider.name }, 'the provider could not be told of a sign-out');
    return undefined;
  }
}

export async function auditWrong(context: AuthContext, request: Request, rule: string): Promise<void> {
  await appendAuditIn(
    context.db,
    signInRecord(context, request, {
      tenant: '',
      principal: '',
      action: 'sign-in',
      resource: 'session',
      allowed: false,
      rule,
    }),
  );
}
