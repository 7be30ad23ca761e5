import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';
import { z } from 'zod';
import type { FeishuConfig } from './config.ts';
import { cachedToken, type JsonRequest, requestJson } from './json.ts';
import {
  cleanText,
  notInOrganisation,
  type Profile,
  providerRefused,
  type ProviderSurroundings,
  type RedirectProvider,
} from './provider.ts';

const userToken = z.object({ access_token: z.string().min(1) });
const appToken = z.object({ tenant_access_token: z.string().min(1), expire: z.number() });
const me = z.object({
  data: z.object({
    open_id: z.string().min(1),
    tenant_key: z.string().min(1),
    name: z.string().optional(),
  }),
});
const user = z.object({
  data: z.object({
    user: z.object({
      name: z.string().optional(),
      department_ids: z.array(z.string()).default([]),
      status: z
        .object({
          is_frozen: z.boolean().optional(),
          is_resigned: z.boolean().optional(),
          is_exited: z.boolean().optional(),
        })
        .default({}),
    }),
  }),
});
const department = z.object({ data: z.object({ department: z.object({ name: z.string() }) }) });
const parents = z.object({
  data: z.object({ items: z.array(z.object({ open_department_id: z.string() })).default([]) }),
});

/** Codes that say no with HTTP 200 as often as with a 4xx. */
const NO_SUCH_USER = new Set([41012, 99992351, 99992352, 99992354]);
const TOKEN_ENDED = new Set([99991661, 99991663, 99991664]);
/** The person is outside the part of the address book that the application may see. */
const OUT_OF_SCOPE = 41050;
/** Of the whole organisation. */
const ROOT = '0';

class FeishuError extends Error {
  readonly code: number;
  constructor(path: string, code: number, message: unknown) {
    super(`${path} answered code ${code}: ${cleanText(message, 'without a message')}`);
    this.code = code;
  }
}

/**
 * Feishu, and Lark by its own hosts: OAuth 2 in the dialect of the open platform. The person's token names the account
 * and its organisation; departments and standing are asked with the application's own. Groups are the open ids of the
 * departments and of all above them.
 */
export function createFeishuProvider(
  config: FeishuConfig,
  surroundings: ProviderSurroundings,
): RedirectProvider {
  const { name, label, tenants, appId, tenantKey } = config;

  async function ask<S extends z.ZodType>(
    schema: S,
    path: string,
    request: Omit<JsonRequest, 'url'>,
  ): Promise<z.infer<S>> {
    const { status, body } = await requestJson(surroundings, { url: config.openUrl + path, ...request });
    const code = body['code'];
    if (typeof code !== 'number') throw new Error(`${path} answered ${status} without a code`);
    if (code !== 0 || status !== 200)
      throw new FeishuError(path, code, body['msg'] ?? body['error_description']);
    return schema.parse(body);
  }

  const token = cachedToken(surroundings.now, async () => {
    const body = { app_id: appId, app_secret: await surroundings.readSecret(config.appSecretFile) };
    const path = '/open-apis/auth/v3/tenant_access_token/internal';
    const given = await ask(appToken, path, { method: 'POST', body });
    return { token: given.tenant_access_token, seconds: given.expire };
  });

  async function contact<S extends z.ZodType>(schema: S, path: string, again = true): Promise<z.infer<S>> {
    try {
      return await ask(schema, `/open-apis/contact/v3/${path}`, {
        headers: { authorization: `Bearer ${await token.get()}` },
      });
    } catch (error) {
      if (!again || !(error instanceof FeishuError) || !TOKEN_ENDED.has(error.code)) throw error;
      token.forget();
      return contact(schema, path, false);
    }
  }

  async function memberOf(
    openId: string,
    otherName: string | undefined,
  ): Promise<Profile | 'gone' | 'unknown'> {
    try {
      const id = encodeURIComponent(openId);
      const { user: found } = (await contact(user, `users/${id}?user_id_type=open_id`)).data;
      const { is_frozen, is_resigned, is_exited } = found.status;
      if (is_frozen === true || is_resigned === true || is_exited === true) return 'gone';
      const [first] = found.department_ids;
      const groups = new Set(found.department_ids);
      for (const one of found.department_ids.filter((id) => id !== ROOT).slice(0, 20)) {
        const { items } = (
          await contact(parents, `departments/parent?department_id=${encodeURIComponent(one)}`)
        ).data;
        for (const { open_department_id: above } of items) groups.add(above);
      }
      const unit =
        first === undefined || first === ROOT
          ? undefined
          : (await contact(department, `departments/${encodeURIComponent(first)}`)).data.department;
      return {
        subject: openId,
        name: cleanText(found.name ?? otherName, openId),
        department: cleanText(unit?.name, ''),
        groups: [...groups],
      };
    } catch (error) {
      if (error instanceof FeishuError && NO_SUCH_USER.has(error.code)) return 'gone';
      if (error instanceof FeishuError && error.code === OUT_OF_SCOPE) return 'unknown';
      throw error;
    }
  }

  return {
    kind: 'redirect',
    name,
    label,
    tenants,
    // An open id is one of this application alone.
    issuer: `feishu:${tenantKey}:${appId}`,
    needsRefreshToken: false,

    async begin(redirectUri, state) {
      const verifier = randomPKCECodeVerifier();
      const url = new URL('/open-apis/authen/v1/authorize', config.accountsUrl);
      url.search = new URLSearchParams({
        client_id: appId,
        redirect_uri: redirectUri,
        response_type: 'code',
        state,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }).toString();
      return { url, memory: { verifier, redirectUri } };
    },

    async complete(callback, _state, { verifier, redirectUri }) {
      const code = callback.searchParams.get('code');
      if (code === null || code === '')
        throw providerRefused(callback.searchParams.get('error') ?? 'no code');
      try {
        const { access_token: accessToken } = await ask(userToken, '/open-apis/authen/v2/oauth/token', {
          method: 'POST',
          body: {
            grant_type: 'authorization_code',
            client_id: appId,
            client_secret: await surroundings.readSecret(config.appSecretFile),
            code,
            redirect_uri: redirectUri,
            code_verifier: verifier,
          },
        });
        const { data } = await ask(me, '/open-apis/authen/v1/user_info', {
          headers: { authorization: `Bearer ${accessToken}` },
        });
        if (data.tenant_key !== tenantKey) throw notInOrganisation();
        const profile = await memberOf(data.open_id, data.name);
        if (typeof profile === 'string') throw notInOrganisation();
        return { ...profile, amr: ['fed'] };
      } catch (error) {
        throw error instanceof FeishuError ? providerRefused(error) : error;
      }
    },

    async standing({ subject }) {
      const profile = await memberOf(subject, undefined);
      return typeof profile === 'string' ? { kind: profile } : { kind: 'member', profile };
    },
  };
}
