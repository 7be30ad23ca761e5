import { z } from 'zod';
import type { DingtalkConfig } from './config.ts';
import { cachedToken, requestJson } from './json.ts';
import {
  cleanText,
  notInOrganisation,
  type Profile,
  providerRefused,
  type ProviderSurroundings,
  type RedirectProvider,
} from './provider.ts';

const userToken = z.object({ accessToken: z.string().min(1), corpId: z.string().optional() });
const appToken = z.object({ accessToken: z.string().min(1), expireIn: z.number() });
const me = z.object({ unionId: z.string().min(1), nick: z.string().optional() });
const byUnionId = z.object({ userid: z.string().min(1), contact_type: z.number().optional() });
const user = z.object({ name: z.string().optional(), dept_id_list: z.array(z.number()).default([]) });
const parents = z.object({
  parent_list: z.array(z.object({ parent_dept_id_list: z.array(z.number()) })).default([]),
});
const department = z.object({ name: z.string() });

/** Codes of oapi.dingtalk.com, which come with HTTP 200. */
const NO_SUCH_USER = new Set([60121, 33012, 60020]);
const TOKEN_ENDED = new Set([40014, 42001, 88]);
/** An external contact of the organisation is no member of it. */
const EXTERNAL = 1;

class DingtalkError extends Error {
  readonly code: number;
  constructor(path: string, code: number, message: unknown) {
    super(`${path} answered errcode ${code}: ${cleanText(message, 'without a message')}`);
    this.code = code;
  }
}

/**
 * DingTalk: OAuth 2 of its own dialect. The person's token names the account; whether it belongs to the organisation,
 * and to which departments, the application asks with its own. Groups are the ids of the departments and of all above
 * them, since their names may repeat.
 */
export function createDingtalkProvider(
  config: DingtalkConfig,
  surroundings: ProviderSurroundings,
): RedirectProvider {
  const { name, label, tenants, clientId, corpId } = config;

  /** api.dingtalk.com: an error has a `code`, with a 4xx, and now and then with a 200. */
  async function api<S extends z.ZodType>(
    schema: S,
    path: string,
    request: { body?: unknown; token?: string },
  ): Promise<z.infer<S>> {
    const { status, body } = await requestJson(surroundings, {
      url: config.apiUrl + path,
      method: request.body === undefined ? 'GET' : 'POST',
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.token === undefined ? {} : { headers: { 'x-acs-dingtalk-access-token': request.token } }),
    });
    if (status >= 500) throw new Error(`${path} answered ${status}`);
    const failed = status !== 200 || (body['code'] !== undefined && body['code'] !== 0);
    if (failed)
      throw providerRefused(
        new Error(
          `${path} answered ${status} ${cleanText(body['code'], '?')}: ${cleanText(body['message'], '')}`,
        ),
      );
    return schema.parse(body);
  }

  const token = cachedToken(surroundings.now, async () => {
    const appSecret = await surroundings.readSecret(config.clientSecretFile);
    const body = { appKey: clientId, appSecret };
    const { accessToken, expireIn } = await api(appToken, '/v1.0/oauth2/accessToken', { body });
    return { token: accessToken, seconds: expireIn };
  });

  /** oapi.dingtalk.com: HTTP 200 whatever happens; `errcode` says what. */
  async function oapi<S extends z.ZodType>(
    schema: S,
    path: string,
    body: unknown,
    again = true,
  ): Promise<z.infer<S>> {
    const url = new URL(config.oapiUrl + path);
    url.searchParams.set('access_token', await token.get());
    const answer = await requestJson(surroundings, { url, method: 'POST', body });
    const code = answer.body['errcode'];
    if (answer.status === 200 && code === 0) return schema.parse(answer.body['result']);
    if (typeof code !== 'number') throw new Error(`${path} answered ${answer.status} without an errcode`);
    if (again && TOKEN_ENDED.has(code)) {
      token.forget();
      return oapi(schema, path, body, false);
    }
    throw new DingtalkError(path, code, answer.body['errmsg']);
  }

  /** Undefined when the account is no member of the organisation. */
  async function memberOf(unionId: string, nick: string | undefined): Promise<Profile | undefined> {
    try {
      const { userid, contact_type } = await oapi(byUnionId, '/topapi/user/getbyunionid', {
        unionid: unionId,
      });
      if (contact_type === EXTERNAL) return undefined;
      const found = await oapi(user, '/topapi/v2/user/get', { userid });
      const above = await oapi(parents, '/topapi/v2/department/listparentbyuser', { userid });
      const ids = [...found.dept_id_list, ...above.parent_list.flatMap((list) => list.parent_dept_id_list)];
      const [first] = found.dept_id_list;
      const unit =
        first === undefined
          ? undefined
          : await oapi(department, '/topapi/v2/department/get', { dept_id: first });
      return {
        subject: unionId,
        name: cleanText(found.name ?? nick, unionId),
        department: cleanText(unit?.name, ''),
        groups: [...new Set(ids)].map(String),
      };
    } catch (error) {
      if (error instanceof DingtalkError && NO_SUCH_USER.has(error.code)) return undefined;
      throw error;
    }
  }

  return {
    kind: 'redirect',
    name,
    label,
    tenants,
    issuer: `dingtalk:${corpId}`,
    needsRefreshToken: false,

    begin(redirectUri, state) {
      const url = new URL('/oauth2/auth', config.loginUrl);
      url.search = new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: 'openid corpid',
        prompt: 'consent',
        state,
      }).toString();
      return Promise.resolve({ url, memory: {} });
    },

    async complete(callback) {
      // It is called authCode there, whatever response_type says.
      const code = callback.searchParams.get('authCode') ?? callback.searchParams.get('code');
      if (code === null || code === '')
        throw providerRefused(callback.searchParams.get('error') ?? 'no code');
      const clientSecret = await surroundings.readSecret(config.clientSecretFile);
      const given = await api(userToken, '/v1.0/oauth2/userAccessToken', {
        body: { clientId, clientSecret, code, grantType: 'authorization_code' },
      });
      if (given.corpId !== undefined && given.corpId !== corpId) throw notInOrganisation();
      const { unionId, nick } = await api(me, '/v1.0/contact/users/me', { token: given.accessToken });
      const profile = await memberOf(unionId, nick);
      if (profile === undefined) throw notInOrganisation();
      return { ...profile, amr: ['fed'] };
    },

    async standing({ subject }) {
      const profile = await memberOf(subject, undefined);
      return profile === undefined ? { kind: 'gone' } : { kind: 'member', profile };
    },
  };
}
