import { z } from 'zod';
import { ACCESS_TOKEN_SECONDS, signAccessToken } from '../../../contracts/access-token.ts';
import { refusal } from '../../../foundation/errors.ts';
import { appendAuditIn } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import {
  findKeyHolder,
  insertFamily,
  insertRefreshToken,
  type KeyHolder,
  takeRefreshToken,
  type TokenFamily,
} from '../../identity/applications/tokens.ts';
import type { SessionKey } from '../../identity/sessions.ts';
import type { Surroundings } from '../keys.ts';
import type { Described } from '../operation.ts';

const FAMILY_SECONDS = 30 * 86_400;

export interface TokenContext {
  db: Database;
  key: SessionKey;
  surroundings: Surroundings;
}

/** RFC 6749 §4.4.2 and §6, with the client's id and secret in the form (§2.3.1). */
const tokenRequest = z.discriminatedUnion('grant_type', [
  z.object({
    grant_type: z.literal('client_credentials'),
    client_id: z.string().min(1).max(200),
    client_secret: z.string().min(1).max(200),
  }),
  z.object({ grant_type: z.literal('refresh_token'), refresh_token: z.string().min(1).max(200) }),
]);

const tokenAnswer = z
  .strictObject({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
    refresh_token: z.string().describe('Works once, and gives the next'),
  })
  .meta({ id: 'TokenAnswer' });
export type TokenAnswer = z.infer<typeof tokenAnswer>;

/** The one operation that is not under `/api/v1`, and needs no credential besides what is in its form. */
export const tokenOperation = {
  method: 'post',
  path: '/auth/token',
  subject: 'identity',
  summary: {
    en: "Gives an access token for an application's key, or for the refresh token given last",
    zh: '用应用的密钥或最近的刷新令牌换取访问令牌',
  },
  access: { decided: 'by-credential' },
  body: tokenRequest,
  encoding: 'form',
  answers: { 200: tokenAnswer },
  errors: ['invalid_request', 'invalid_client', 'invalid_grant'],
} as const satisfies Described;

/**
 * Gives a token for an application's key, or for the refresh token given last, which is then used up.
 * @throws RequestError 400 invalid_request, 401 invalid_client, 401 invalid_grant
 */
export async function giveToken(
  form: unknown,
  clientIp: string,
  context: TokenContext,
): Promise<TokenAnswer> {
  const parsed = tokenRequest.safeParse(form);
  if (!parsed.success) throw refusal('invalid_request');
  return parsed.data.grant_type === 'client_credentials'
    ? begin(parsed.data.client_id, parsed.data.client_secret, clientIp, context)
    : refresh(parsed.data.refresh_token, clientIp, context);
}

async function begin(
  clientId: string,
  clientSecret: string,
  clientIp: string,
  context: TokenContext,
): Promise<TokenAnswer> {
  const { db, surroundings } = context;
  const now = surroundings.now();
  const holder = await findKeyHolder(db, clientSecret, now);
  if (
    holder?.principal.kind !== 'application' ||
    ![`ipk_${holder.keyId}`, holder.principal.id].includes(clientId)
  )
    throw refusal('invalid_client');
  const end = new Date(now.getTime() + FAMILY_SECONDS * 1000);
  const expiresAt = holder.expiresAt !== null && holder.expiresAt < end ? holder.expiresAt : end;
  const family: TokenFamily = { id: surroundings.newId(), expiresAt };
  return db.transaction().execute(async (transaction) => {
    const { id } = holder.principal;
    await insertFamily(transaction, { ...family, principal: id, key: holder.keyId, now });
    await record(transaction, holder, 'tokens:create', clientIp, surroundings);
    return issue(transaction, holder, family, context);
  });
}

async function refresh(token: string, clientIp: string, context: TokenContext): Promise<TokenAnswer> {
  const { db, surroundings } = context;
  const now = surroundings.now();
  const answer = await db.transaction().execute(async (transaction) => {
    const taken = await takeRefreshToken(transaction, token, now);
    if (taken.kind === 'refreshed') return issue(transaction, taken.holder, taken.family, context);
    if (taken.kind === 'reused')
      await appendAuditIn(transaction, {
        id: surroundings.newId(),
        at: now.toISOString(),
        tenant: taken.tenant,
        principal: taken.principal,
        action: 'alert',
        resource: `token-family:${taken.family}`,
        allowed: false,
        rule: 'refresh-token:reused',
        clientIp,
      });
    return undefined;
  });
  if (answer === undefined) throw refusal('invalid_grant');
  return answer;
}

async function issue(
  transaction: Database,
  { principal, epoch, keyId }: KeyHolder,
  family: TokenFamily,
  { key, surroundings }: TokenContext,
): Promise<TokenAnswer> {
  const refreshToken = `ipr_${surroundings.randomBytes(32).toString('base64url')}`;
  await insertRefreshToken(transaction, refreshToken, family);
  const iat = Math.floor(surroundings.now().getTime() / 1000);
  const accessToken = await signAccessToken(
    {
      sub: principal.id,
      sid: family.id,
      jti: surroundings.newId(),
      client_id: keyId,
      epoch,
      iat,
      exp: iat + ACCESS_TOKEN_SECONDS,
    },
    key,
  );
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: ACCESS_TOKEN_SECONDS,
    refresh_token: refreshToken,
  };
}

async function record(
  transaction: Database,
  { principal, keyId }: KeyHolder,
  action: string,
  clientIp: string,
  { now, newId }: Surroundings,
): Promise<void> {
  await appendAuditIn(transaction, {
    id: newId(),
    at: now().toISOString(),
    tenant: principal.tenant,
    principal: principal.id,
    action,
    resource: `key:${keyId}`,
    allowed: true,
    rule: 'client-credentials',
    clientIp,
  });
}
