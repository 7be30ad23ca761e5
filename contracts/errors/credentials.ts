/** Who makes the request: what was sent to prove it, and why it does not. */
export const credentialErrors = {
  key_in_url: {
    status: 400,
    en: 'The URL holds an API key, and URLs end up in logs and histories: treat that key as leaked and revoke it. Send keys as "Authorization: Bearer …" or "X-API-Key".',
    zh: 'URL 中包含 API 密钥，而 URL 会被写入日志和历史记录：请将该密钥视为已泄露并吊销。请通过“Authorization: Bearer …”或“X-API-Key”请求头发送密钥。',
  },
  credentials_missing: {
    status: 401,
    en: 'No API key was sent. Send one as "Authorization: Bearer ipk_…" or "X-API-Key".',
    zh: '未提供 API 密钥。请通过“Authorization: Bearer ipk_…”或“X-API-Key”请求头发送。',
  },
  credentials_ambiguous: {
    status: 400,
    en: 'More than one credential was sent. Send exactly one: an API key in one header, or the browser session.',
    zh: '提供了多个凭据。请只发送一个：在一个请求头中发送 API 密钥，或使用浏览器会话。',
  },
  credentials_unsupported: {
    status: 401,
    en: 'The Authorization header is not of a form that is known: "Bearer" with an API key or a token, "HMAC-SHA256" with a signature, or "Basic" with TENANT/LOGIN and a password.',
    zh: '无法识别 Authorization 头的格式：应为“Bearer”加 API 密钥或令牌、“HMAC-SHA256”加签名，或“Basic”加“租户/登录名”和密码。',
  },
  key_unknown: {
    status: 401,
    en: 'The API key is not known: it is mistyped, has expired, or was revoked. Check it, or make a new one.',
    zh: 'API 密钥无效：可能输入有误、已过期或已被吊销。请检查，或创建新密钥。',
  },
  key_expired: {
    status: 401,
    en: 'The API key expired at {expiresAt}. Make a new one.',
    zh: 'API 密钥已于 {expiresAt} 过期。请创建新密钥。',
  },
  token_invalid: {
    status: 401,
    en: 'The token is not valid: it has expired, was revoked, or comes from an issuer that is not configured. Get a new one.',
    zh: '令牌无效：可能已过期、已被吊销，或其签发者未经配置。请获取新的令牌。',
  },
  token_without_role: {
    status: 403,
    en: 'None of the groups in the token has a role here. Ask an administrator of your tenant.',
    zh: '令牌中的用户组在此均没有对应的角色。请联系租户管理员。',
  },
  issuer_unavailable: {
    status: 503,
    en: "The issuer's keys could not be fetched at the moment, so the token cannot be checked. Try again in {retryAfter} s.",
    zh: '暂时无法获取签发者的公钥，因此无法验证令牌。请在 {retryAfter} 秒后重试。',
  },
  basic_invalid: {
    status: 401,
    en: 'Name or password is wrong, the account is locked for a while or needs a second factor, or the tenant does not allow HTTP Basic. The name is TENANT/LOGIN.',
    zh: '用户名或密码错误，账号暂时锁定或需要双重验证，或该租户不允许 HTTP Basic。用户名格式为“租户/登录名”。',
  },
  accounts_unavailable: {
    status: 503,
    en: 'Passwords cannot be checked at the moment. Try again in {retryAfter} s, or use an API key.',
    zh: '暂时无法验证密码。请在 {retryAfter} 秒后重试，或使用 API 密钥。',
  },
  signature_malformed: {
    status: 400,
    en: 'The signature is not complete. It needs "Authorization: HMAC-SHA256 Credential=ipk_…, Signature=…" with one each of X-Timestamp (seconds, 10 digits), X-Nonce (16 to 128 letters, digits, - and _) and X-Content-SHA256; or "Authorization: Bearer ipk_…:HMAC" with X-Timestamp.',
    zh: '签名不完整。需要“Authorization: HMAC-SHA256 Credential=ipk_…, Signature=…”，并各带一个 X-Timestamp（秒，10 位数字）、X-Nonce（16 至 128 个字母、数字、- 或 _）和 X-Content-SHA256；或者“Authorization: Bearer ipk_…:HMAC”，并带 X-Timestamp。',
  },
  signature_form: {
    status: 400,
    en: 'The form "Bearer KEY:HMAC" binds neither method nor path, and is accepted for POST requests to services alone. Use the form "HMAC-SHA256 Credential=…".',
    zh: '“Bearer KEY:HMAC”形式的签名不包含方法和路径，只能用于对服务的 POST 请求。请改用“HMAC-SHA256 Credential=…”形式。',
  },
  signature_invalid: {
    status: 401,
    en: 'The signature is refused: the key is unknown or has ended, the signature does not match the request, or the timestamp is more than {limit} s old or more than a minute ahead. The time here is {serverTime}.',
    zh: '签名未通过验证：密钥未知或已失效，签名与请求不符，或时间戳已超过 {limit} 秒，或超前一分钟以上。服务器时间为 {serverTime}。',
  },
  signature_replayed: {
    status: 401,
    en: 'This signed request was received before. Sign each request anew, with a new nonce and time.',
    zh: '此签名请求已被接收过。请使用新的 nonce 和时间为每个请求重新签名。',
  },
  signature_unverifiable: {
    status: 503,
    en: 'It cannot be told at the moment whether this signed request was received before. Sign it anew and send it again in {retryAfter} s.',
    zh: '暂时无法确认此签名请求是否已被接收过。请在 {retryAfter} 秒后重新签名并发送。',
  },
  body_hash_wrong: {
    status: 400,
    en: 'The body does not have the SHA-256 of X-Content-SHA256. Hash the bytes that are sent.',
    zh: '请求体的 SHA-256 与 X-Content-SHA256 不一致。请对实际发送的字节计算哈希值。',
  },
  session_invalid: {
    status: 401,
    en: 'The browser session has ended. Sign in again.',
    zh: '浏览器会话已失效。请重新登录。',
  },
  invalid_request: {
    status: 400,
    en: 'Send grant_type=client_credentials with client_id and client_secret, or grant_type=refresh_token with refresh_token, as a form.',
    zh: '请以表单发送 grant_type=client_credentials 及 client_id、client_secret，或 grant_type=refresh_token 及 refresh_token。',
  },
  invalid_client: {
    status: 401,
    en: 'The client is unknown, its secret is wrong, or its key has ended. client_id is the key id or the application id, client_secret the whole API key.',
    zh: '客户端未知、密钥错误，或密钥已失效。client_id 为密钥编号或应用编号，client_secret 为完整的 API 密钥。',
  },
  invalid_grant: {
    status: 401,
    en: 'The refresh token is unknown, has expired, or was used before. Sign in again with the client id and secret.',
    zh: '刷新令牌无效、已过期或已被使用过。请使用 client_id 和 client_secret 重新获取令牌。',
  },
  token_unknown: {
    status: 401,
    en: 'The token of this internal port is missing or not known. Check the token file of the sender.',
    zh: '缺少内部端口的令牌，或令牌无法识别。请检查发送方的令牌文件。',
  },
  assertion_missing: {
    status: 401,
    en: 'The request carries no assertion. Send it through the gateway, with an API key.',
    zh: '请求未携带网关断言。请通过网关发送请求，并提供 API 密钥。',
  },
  assertion_invalid: {
    status: 401,
    en: "The assertion is not one of the gateway's. Send the request through the gateway.",
    zh: '断言并非由网关签发。请通过网关发送请求。',
  },
  assertion_expired: {
    status: 401,
    en: 'The assertion has expired. Send the request through the gateway again.',
    zh: '断言已过期。请通过网关重新发送请求。',
  },
  assertion_wrong_audience: {
    status: 401,
    en: 'The assertion is for another service. Send the request through the gateway.',
    zh: '断言适用于其他服务。请通过网关发送请求。',
  },
  assertion_wrong_request: {
    status: 401,
    en: 'The assertion is for another method, path or query. Send the request through the gateway.',
    zh: '断言适用于其他方法、路径或查询参数。请通过网关发送请求。',
  },
  assertion_replayed: {
    status: 401,
    en: 'The assertion was used before, and each request needs its own. Send the request through the gateway.',
    zh: '断言已被使用过，而每个请求都需要单独的断言。请通过网关发送请求。',
  },
} as const;
