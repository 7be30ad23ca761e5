import { createHash } from 'node:crypto';
import { listenJson, type LocalServer } from './json-server.ts';

export interface FeishuMember {
  name: string;
  departments: string[];
  status?: { is_frozen?: boolean; is_resigned?: boolean; is_exited?: boolean };
  /** Outside the part of the address book that the application may see. */
  hidden?: boolean;
}

/** Feishu's two hosts in one, with the shapes of its answers: `code` says what happened, often with HTTP 200. */
export interface Feishu extends LocalServer {
  /** By open id. */
  members: Map<string, FeishuMember>;
  login: { openId: string; name: string; tenantKey: string };
  endToken: () => void;
}

const DEPARTMENTS: Record<string, { name: string; parent: string }> = {
  'od-design': { name: '设计部', parent: '0' },
  'od-visual': { name: '视觉组', parent: 'od-design' },
};

function parentsOf(id: string): { open_department_id: string; name: string | undefined }[] {
  const parent = DEPARTMENTS[id]?.parent;
  if (parent === undefined || parent === '0') return [];
  return [{ open_department_id: parent, name: DEPARTMENTS[parent]?.name }, ...parentsOf(parent)];
}

export async function startFeishu(app: { appId: string; appSecret: string }): Promise<Feishu> {
  const members = new Map<string, FeishuMember>();
  const login = { openId: '', name: '', tenantKey: '' };
  const codes = new Map<string, typeof login & { challenge: string | null; redirectUri: string }>();
  const userTokens = new Map<string, typeof login>();
  let serial = 0;
  let appToken = '';

  const no = (code: number, msg: string, status = 200) => ({ status, body: { code, msg } });
  const said = (data: unknown) => ({ body: { code: 0, msg: 'success', data } });

  const server = await listenJson(({ method, url, body, headers }) => {
    switch (`${method} ${url.pathname}`) {
      case 'GET /open-apis/authen/v1/authorize': {
        const redirectUri = url.searchParams.get('redirect_uri') ?? '';
        const code = `code-${++serial}`;
        codes.set(code, { ...login, challenge: url.searchParams.get('code_challenge'), redirectUri });
        const back = new URL(redirectUri);
        back.searchParams.set('code', code);
        back.searchParams.set('state', url.searchParams.get('state') ?? '');
        return { status: 302, headers: { location: back.href } };
      }
      case 'POST /open-apis/authen/v2/oauth/token':
        return userToken(body);
      case 'GET /open-apis/authen/v1/user_info': {
        const given = userTokens.get(String(headers.authorization).slice('Bearer '.length));
        if (given === undefined) return no(99991668, 'Invalid access token for authorization.');
        const { openId, name, tenantKey } = given;
        return said({
          open_id: openId,
          union_id: `on-${openId}`,
          name,
          tenant_key: tenantKey,
          avatar_url: '',
        });
      }
      case 'POST /open-apis/auth/v3/tenant_access_token/internal':
        if (body['app_id'] !== app.appId || body['app_secret'] !== app.appSecret)
          return no(10014, 'app secret invalid');
        appToken = `t-${++serial}`;
        return { body: { code: 0, msg: 'ok', tenant_access_token: appToken, expire: 7200 } };
      default:
        if (headers.authorization !== `Bearer ${appToken}`)
          return no(
            99991663,
            'Invalid access token for authorization. Please make a request with token attached.',
            400,
          );
        return contact(url);
    }
  });

  function userToken(body: Record<string, unknown>) {
    const refused = (code: number, error: string, description: string) => ({
      body: { code, error, error_description: description },
    });
    if (body['client_id'] !== app.appId || body['client_secret'] !== app.appSecret)
      return refused(20002, 'invalid_client', 'The client secret is invalid.');
    const given = codes.get(String(body['code']));
    codes.delete(String(body['code']));
    if (given === undefined || given.redirectUri !== body['redirect_uri'])
      return refused(20003, 'invalid_grant', 'The authorization code is not found.');
    const verifier = createHash('sha256').update(String(body['code_verifier'])).digest('base64url');
    if (given.challenge !== verifier) return refused(20049, 'invalid_grant', 'PKCE verification failed.');
    const token = `u-${++serial}`;
    userTokens.set(token, given);
    return {
      body: {
        code: 0,
        access_token: token,
        expires_in: 7200,
        token_type: 'Bearer',
        scope: 'auth:user.id:read',
      },
    };
  }

  function userOf(id: string) {
    const member = members.get(decodeURIComponent(id));
    if (member === undefined) return no(99992351, 'not a valid {open_id}', 400);
    if (member.hidden === true) return no(41050, 'no user authority error');
    const status = { is_frozen: false, is_resigned: false, is_activated: true, ...member.status };
    return said({ user: { open_id: id, name: member.name, department_ids: member.departments, status } });
  }

  function contact({ pathname, searchParams }: URL) {
    const path = pathname.slice('/open-apis/contact/v3/'.length);
    if (path.startsWith('users/')) return userOf(path.slice('users/'.length));
    if (path === 'departments/parent') {
      const items = parentsOf(searchParams.get('department_id') ?? '');
      return said({ has_more: false, items });
    }
    if (path.startsWith('departments/')) {
      const name = DEPARTMENTS[path.slice('departments/'.length)]?.name;
      return said({ department: { name } });
    }
    return { status: 404, body: '404 page not found' };
  }

  return {
    ...server,
    members,
    login,
    endToken: () => {
      appToken = '';
    },
  };
}
