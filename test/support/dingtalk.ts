import { listenJson, type LocalServer } from './json-server.ts';

export interface DingtalkMember {
  unionId: string;
  userid: string;
  name: string;
  departments: number[];
  /** 1: an external contact. */
  contactType?: number;
}

/** DingTalk's three hosts in one, with the shapes of its answers: camelCase and statuses there, errcode with 200 here. */
export interface Dingtalk extends LocalServer {
  members: Map<string, DingtalkMember>;
  /** Who signs in next at the page of DingTalk, and with an account of which organisation. */
  login: { unionId: string; nick: string; corpId: string };
  /** Ends the application's token: the next call is told so, with HTTP 200. */
  endToken: () => void;
}

const DEPARTMENTS: Record<number, { name: string; parent: number | undefined }> = {
  1: { name: '公司', parent: undefined },
  20: { name: '设计部', parent: 1 },
  21: { name: '视觉组', parent: 20 },
  30: { name: '外包', parent: 1 },
};

function above(id: number): number[] {
  const parent = DEPARTMENTS[id]?.parent;
  return parent === undefined ? [id] : [id, ...above(parent)];
}

export async function startDingtalk(app: { clientId: string; clientSecret: string }): Promise<Dingtalk> {
  const members = new Map<string, DingtalkMember>();
  const login = { unionId: '', nick: '', corpId: '' };
  const codes = new Map<string, typeof login>();
  const userTokens = new Map<string, typeof login>();
  let serial = 0;
  let appToken = '';

  const refused = (code: string, message: string) => ({
    status: 400,
    body: { code, requestid: '1F6B1C2E', message },
  });
  const said = (result: unknown) => ({ body: { errcode: 0, errmsg: 'ok', result, request_id: '5um7ba1' } });
  const no = (errcode: number, errmsg: string) => ({ body: { errcode, errmsg, request_id: '5um7ba2' } });

  const server = await listenJson(({ method, url, body, headers }) => {
    switch (`${method} ${url.pathname}`) {
      case 'GET /oauth2/auth': {
        const back = new URL(url.searchParams.get('redirect_uri') ?? '');
        const code = `code-${++serial}`;
        codes.set(code, { ...login });
        back.searchParams.set('authCode', code);
        back.searchParams.set('state', url.searchParams.get('state') ?? '');
        return { status: 302, headers: { location: back.href } };
      }
      case 'POST /v1.0/oauth2/userAccessToken': {
        if (body['clientId'] !== app.clientId || body['clientSecret'] !== app.clientSecret)
          return refused('invalidClientIdOrSecret', '无效的clientId或者clientSecret');
        const given = codes.get(String(body['code']));
        codes.delete(String(body['code']));
        if (body['grantType'] !== 'authorization_code' || given === undefined)
          return refused('invalidAuthCode.notFound', '不存在的临时授权码');
        const accessToken = `user-${++serial}`;
        userTokens.set(accessToken, given);
        return {
          body: { expireIn: 7200, accessToken, refreshToken: `refresh-${serial}`, corpId: given.corpId },
        };
      }
      case 'GET /v1.0/contact/users/me': {
        const given = userTokens.get(String(headers['x-acs-dingtalk-access-token']));
        if (given === undefined) return refused('InvalidAuthentication', '不合法的access_token');
        return {
          body: { nick: given.nick, unionId: given.unionId, openId: `open-${given.unionId}`, avatarUrl: '' },
        };
      }
      case 'POST /v1.0/oauth2/accessToken': {
        if (body['appKey'] !== app.clientId || body['appSecret'] !== app.clientSecret)
          return refused('invalidAppKeyOrSecret', '无效的appKey或者appSecret');
        appToken = `app-${++serial}`;
        return { body: { expireIn: 7200, accessToken: appToken } };
      }
      default:
        return topApi(url, body);
    }
  });

  function topApi(url: URL, body: Record<string, unknown>) {
    if (!url.pathname.startsWith('/topapi/')) return { status: 404, body: {} };
    if (appToken === '' || url.searchParams.get('access_token') !== appToken)
      return no(40014, '不合法的access_token');
    const member = [...members.values()].find(
      ({ unionId, userid }) => unionId === body['unionid'] || userid === body['userid'],
    );
    if (url.pathname === '/topapi/v2/department/get') {
      const id = Number(body['dept_id']);
      return said({ dept_id: id, name: DEPARTMENTS[id]?.name, parent_id: DEPARTMENTS[id]?.parent });
    }
    if (member === undefined) return no(60121, '找不到该用户');
    const { userid, unionId, name, departments } = member;
    switch (url.pathname) {
      case '/topapi/user/getbyunionid':
        return said({ contact_type: member.contactType ?? 0, userid });
      case '/topapi/v2/user/get':
        return said({
          userid,
          unionid: unionId,
          name,
          active: true,
          dept_id_list: departments,
          title: '设计师',
        });
      case '/topapi/v2/department/listparentbyuser':
        return said({ parent_list: departments.map((id) => ({ parent_dept_id_list: above(id) })) });
      default:
        return no(22, '不合法的ApiName');
    }
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
