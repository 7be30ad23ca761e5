import { RequestError } from '../../foundation/errors.ts';
import { fill, type Language } from '../../foundation/language.ts';

interface Message {
  status: number;
  /** `{name}` stands for the detail of that name. */
  en: string;
  zh: string;
}

/** Every refusal of the gateway: what happened, which input, what to do next. Codes are stable. */
const catalogue = {
  path_not_canonical: {
    status: 400,
    en: 'The path can be read in more than one way (it has "..", "//", ";", a backslash, or an encoded slash, dot or control character). Send the plain path.',
    zh: '路径可能有多种解读（含有 ".."、"//"、";"、反斜杠，或经过编码的斜杠、点、控制字符）。请发送规范的路径。',
  },
  too_many_headers: {
    status: 431,
    en: 'The request has more than {limit} header fields. Send fewer, for example by clearing cookies.',
    zh: '请求头超过 {limit} 个。请减少请求头，例如清除 Cookie。',
  },
  headers_too_large: {
    status: 431,
    en: 'The header fields are larger than {limit} bytes together. Send less, for example by clearing cookies.',
    zh: '请求头总大小超过 {limit} 字节。请缩减，例如清除 Cookie。',
  },
  malformed_request: {
    status: 400,
    en: 'This is not a well-formed HTTP/1.1 request.',
    zh: '这不是格式正确的 HTTP/1.1 请求。',
  },
  request_timeout: {
    status: 408,
    en: 'The request did not arrive in time. Send it again over a faster line, or a smaller one.',
    zh: '请求未能在规定时间内到达。请换用更快的网络重试，或减小请求。',
  },
  host_missing: {
    status: 400,
    en: 'The request must name one host in its Host header.',
    zh: '请求必须在 Host 头中给出唯一的主机名。',
  },
  host_not_allowed: {
    status: 421,
    en: 'This gateway does not answer for the host in the Host header. Use its configured name, or ask your administrator to add this one to "hosts".',
    zh: '此网关不为 Host 头中的主机名提供服务。请使用已配置的主机名，或请管理员将其加入 "hosts"。',
  },
  method_not_allowed: {
    status: 405,
    en: 'This method is not allowed here. Allowed: {allowed}.',
    zh: '此处不允许使用该方法。允许的方法：{allowed}。',
  },
  key_in_url: {
    status: 400,
    en: 'The URL holds an API key, and URLs end up in logs and histories: treat that key as leaked and revoke it. Send keys as "Authorization: Bearer …" or "X-API-Key".',
    zh: 'URL 中包含 API 密钥，而 URL 会被写入日志和历史记录：请视该密钥为已泄露并将其吊销。请用 "Authorization: Bearer …" 或 "X-API-Key" 发送密钥。',
  },
  not_found: {
    status: 404,
    en: 'There is nothing at this path. Services are under /s/{tenant}/{service}/, the API under /api/.',
    zh: '此路径下没有内容。服务位于 /s/{tenant}/{service}/,API 位于 /api/。',
  },
  service_not_found: {
    status: 404,
    en: 'There is no such service that you may use. Check tenant and service in the path.',
    zh: '没有您可以使用的此服务。请检查路径中的租户和服务名。',
  },
  credentials_missing: {
    status: 401,
    en: 'No API key was sent. Send one as "Authorization: Bearer ipk_…" or "X-API-Key".',
    zh: '未提供 API 密钥。请用 "Authorization: Bearer ipk_…" 或 "X-API-Key" 发送。',
  },
  credentials_ambiguous: {
    status: 400,
    en: 'More than one credential was sent. Send exactly one: an API key in one header, or the browser session.',
    zh: '提供了多个凭据。请只发送一个：单个请求头中的 API 密钥，或浏览器会话。',
  },
  credentials_unsupported: {
    status: 401,
    en: 'The Authorization header is not of a form that is known: "Bearer" with an API key or a token, "HMAC-SHA256" with a signature, or "Basic" with TENANT/LOGIN and a password.',
    zh: 'Authorization 头的格式无法识别：应为 "Bearer" 加 API 密钥或令牌、"HMAC-SHA256" 加签名，或 "Basic" 加“租户/登录名”和密码。',
  },
  key_unknown: {
    status: 401,
    en: 'The API key is not known: it is mistyped, or was revoked. Check it, or make a new one.',
    zh: 'API 密钥无效：可能输入有误或已被吊销。请检查，或创建新密钥。',
  },
  key_expired: {
    status: 401,
    en: 'The API key expired at {expiresAt}. Make a new one.',
    zh: 'API 密钥已于 {expiresAt} 过期。请创建新密钥。',
  },
  token_invalid: {
    status: 401,
    en: 'The token is not valid: it has expired, was revoked, or comes from an issuer that is not configured. Get a new one.',
    zh: '令牌无效：可能已过期、已被吊销，或签发者未被配置。请获取新的令牌。',
  },
  token_without_role: {
    status: 403,
    en: 'None of the groups in the token has a role here. Ask an administrator of your tenant.',
    zh: '令牌中的用户组在此处均没有对应的角色。请联系租户管理员。',
  },
  issuer_unavailable: {
    status: 503,
    en: "The issuer's keys cannot be had at the moment, so the token cannot be checked. Try again in {retryAfter} s.",
    zh: '暂时无法获取签发者的密钥，因此无法校验令牌。请在 {retryAfter} 秒后重试。',
  },
  basic_invalid: {
    status: 401,
    en: 'Name or password is wrong, the account is locked for a while or needs a second factor, or the tenant does not allow HTTP Basic. The name is TENANT/LOGIN.',
    zh: '用户名或密码错误，或账号暂时锁定、需要第二因素，或该租户不允许 HTTP Basic。用户名格式为“租户/登录名”。',
  },
  accounts_unavailable: {
    status: 503,
    en: 'Passwords cannot be checked at the moment. Try again in {retryAfter} s, or use an API key.',
    zh: '暂时无法校验密码。请在 {retryAfter} 秒后重试，或使用 API 密钥。',
  },
  signature_malformed: {
    status: 400,
    en: 'The signature is not whole. It needs "Authorization: HMAC-SHA256 Credential=ipk_…, Signature=…" with one each of X-Timestamp (seconds, 10 digits), X-Nonce (16 to 128 letters, digits, - and _) and X-Content-SHA256; or "Authorization: Bearer ipk_…:HMAC" with X-Timestamp.',
    zh: '签名不完整。需要 "Authorization: HMAC-SHA256 Credential=ipk_…, Signature=…"，并各带一个 X-Timestamp（秒，10 位数字）、X-Nonce（16 至 128 个字母、数字、- 或 _）和 X-Content-SHA256；或者 "Authorization: Bearer ipk_…:HMAC" 并带 X-Timestamp。',
  },
  signature_form: {
    status: 400,
    en: 'The form "Bearer KEY:HMAC" binds neither method nor path, and is accepted for POST requests to services alone. Use the form "HMAC-SHA256 Credential=…".',
    zh: '"Bearer KEY:HMAC" 形式不绑定方法和路径，只接受对服务的 POST 请求。请改用 "HMAC-SHA256 Credential=…" 形式。',
  },
  signature_invalid: {
    status: 401,
    en: 'The signature is refused: the key is unknown or has ended, the signature does not match the request, or the timestamp is more than {limit} s old or more than a minute ahead. The time here is {serverTime}.',
    zh: '签名被拒绝：密钥未知或已失效、签名与请求不符，或时间戳早于 {limit} 秒前或超前一分钟以上。服务器时间为 {serverTime}。',
  },
  signature_replayed: {
    status: 401,
    en: 'This signed request was received before. Sign each request anew, with a new nonce and time.',
    zh: '此签名请求已被接收过。请为每个请求重新签名，使用新的 nonce 和时间。',
  },
  signature_unverifiable: {
    status: 503,
    en: 'It cannot be told at the moment whether this signed request was received before. Sign it anew and send it again in {retryAfter} s.',
    zh: '暂时无法判断此签名请求是否已被接收过。请在 {retryAfter} 秒后重新签名并发送。',
  },
  body_hash_wrong: {
    status: 400,
    en: 'The body does not have the SHA-256 of X-Content-SHA256. Hash the bytes that are sent.',
    zh: '请求体的 SHA-256 与 X-Content-SHA256 不一致。请对实际发送的字节计算哈希。',
  },
  session_invalid: {
    status: 401,
    en: 'The browser session has ended. Sign in again.',
    zh: '浏览器会话已结束。请重新登录。',
  },
  cross_origin: {
    status: 403,
    en: 'With a browser session this request is only accepted from a page of the same origin. Behind a proxy, "trustedProxies" must name it.',
    zh: '使用浏览器会话时，此请求只能来自同源页面。若位于代理之后，请在 "trustedProxies" 中配置该代理。',
  },
  access_denied: {
    status: 403,
    en: '{reason} Rule: {rule}. Ask an administrator of your tenant if you need this.',
    zh: '您无权执行此操作（规则：{rule}）。如有需要，请联系租户管理员。',
  },
  second_factor_required: {
    status: 403,
    en: 'This needs a second factor (rule {rule}). Sign in again with one.',
    zh: '此操作需要第二因素验证（规则：{rule}）。请使用第二因素重新登录。',
  },
  too_many_bodies: {
    status: 429,
    en: 'More than {limit} requests with a body are on their way from this address. Wait for an answer, then send the next request.',
    zh: '来自此地址、正在上传请求体的请求超过 {limit} 个。请等待已有请求得到响应后再发送。',
  },
  service_unavailable: {
    status: 503,
    en: 'The service cannot be called now: {reason}',
    zh: '服务暂时不可用：{reason}',
  },
  body_too_large: {
    status: 413,
    en: 'The body is larger than the {limit} bytes that this service takes. Send a smaller one.',
    zh: '请求体超过此服务允许的 {limit} 字节。请减小后重试。',
  },
  rate_limited: {
    status: 429,
    en: 'More than {limit} requests a minute. Try again in {retryAfter} s.',
    zh: '每分钟请求数超过 {limit}。请在 {retryAfter} 秒后重试。',
  },
  quota_spent: {
    status: 429,
    en: 'The quota of {limit} {unit} a {period} for this {scope} is spent, or what is left of it is less than one request may take. It is renewed at {resetsAt}.',
    zh: '此{scope}的{period}配额（{limit} {unit}）已用完，或剩余部分不足一次请求的最大用量，将于 {resetsAt} 重置。',
  },
  too_many_in_flight: {
    status: 429,
    en: 'This {scope} has as many {what} in flight as it may: {limit}. Wait for an answer, then send the next request.',
    zh: '此{scope}同时处理中的{what}已达上限：{limit}。请等待已有请求得到响应后再发送。',
  },
  limits_unavailable: {
    status: 503,
    en: 'The limits that gateways share cannot be checked at the moment. Try again in {retryAfter} s.',
    zh: '暂时无法核对各网关共享的限额。请在 {retryAfter} 秒后重试。',
  },
  project_unknown: {
    status: 403,
    en: 'You are in no project of the name in X-Project. Leave the header out, or name one of yours.',
    zh: '您不属于 X-Project 所指定的项目。请去掉该请求头，或填写您所在的项目。',
  },
  api_unavailable: {
    status: 503,
    en: 'The API is away: nothing can be read or changed there. Services go on. Try again in {retryAfter} s.',
    zh: 'API 暂时不可用，无法读取或更改其中的内容；服务仍可使用。请在 {retryAfter} 秒后重试。',
  },
  ledger_unavailable: {
    status: 503,
    en: 'Quotas cannot be checked at the moment, and what may be used meanwhile is used up. Try again in {retryAfter} s.',
    zh: '暂时无法核对配额，且此期间允许的用量已用完。请在 {retryAfter} 秒后重试。',
  },
  ledger_busy: {
    status: 429,
    en: 'Too many requests of this tenant came at once to be counted against its quotas. Send them more slowly; try again in {retryAfter} s.',
    zh: '该租户同时到达的请求过多，来不及逐一核对配额。请放慢发送速度，在 {retryAfter} 秒后重试。',
  },
  records_unavailable: {
    status: 503,
    en: 'The request cannot be recorded at the moment, so it is not served. Try again in {retryAfter} s.',
    zh: '暂时无法记录请求，因此不予处理。请在 {retryAfter} 秒后重试。',
  },
  snapshot_stale: {
    status: 503,
    en: 'The gateway has had no news of keys and policies for too long to go on deciding by the old ones. Try again in {retryAfter} s.',
    zh: '网关已过久未获得最新的密钥与策略，无法继续按旧数据判断。请在 {retryAfter} 秒后重试。',
  },
  service_busy: {
    status: 503,
    en: 'The service has too many requests open. Try again in {retryAfter} s.',
    zh: '该服务的并发请求过多。请在 {retryAfter} 秒后重试。',
  },
  stopping: {
    status: 503,
    en: 'The gateway is being stopped. Try again in {retryAfter} s.',
    zh: '网关正在停止。请在 {retryAfter} 秒后重试。',
  },
  upstream_unreachable: {
    status: 502,
    en: 'The service could not be reached. Try again soon; if it stays, tell your administrator the request id.',
    zh: '无法连接到服务。请稍后重试；若仍然如此，请将请求编号告知管理员。',
  },
  upstream_failed: {
    status: 502,
    en: 'The service broke off without a complete answer. Try again; if it stays, tell your administrator the request id.',
    zh: '服务中断，未给出完整的响应。请重试；若仍然如此，请将请求编号告知管理员。',
  },
  upstream_timeout: {
    status: 504,
    en: 'The service did not answer within {limit} s. Try a smaller input, or again later.',
    zh: '服务未在 {limit} 秒内响应。请减小输入或稍后重试。',
  },
  form_invalid: {
    status: 400,
    en: 'The form must be sent as application/x-www-form-urlencoded, with the field "key", and no larger than 8 KiB.',
    zh: '表单必须以 application/x-www-form-urlencoded 发送，包含字段 "key"，且不超过 8 KiB。',
  },
  internal: {
    status: 500,
    en: 'Something failed on our side. Try again; if it stays, give the request id to your administrator.',
    zh: '我们这边出现了故障。请重试；若仍然如此，请将请求编号告知管理员。',
  },
} satisfies Record<string, Message>;

export type MessageCode = keyof typeof catalogue;

export const messages: Readonly<Record<MessageCode, Message>> = catalogue;

/** The refusal of that code; its details fill the sentence and are given to the client. */
export function refusal(
  code: MessageCode,
  details: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): RequestError {
  const { status, en } = messages[code];
  const retryAfter = details['retryAfter'];
  return new RequestError(status, code, fill(en, details), {
    ...(Object.keys(details).length === 0 ? {} : { details }),
    headers: typeof retryAfter === 'number' ? { 'retry-after': String(retryAfter), ...headers } : headers,
  });
}

/** Details that are words of ours, in Chinese. */
const TRANSLATED = new Set(['period', 'scope', 'unit', 'what']);
const words: Readonly<Record<string, string>> = {
  day: '每日',
  month: '每月',
  tenant: '租户',
  project: '项目',
  user: '用户',
  service: '服务',
  requests: '次请求',
  pixels: '像素',
  steps: '步',
  computeMs: '毫秒计算时间',
};

/** The error's sentence in the reader's language. */
export function sentence(error: RequestError, language: Language): string {
  if (language === 'en' || !Object.hasOwn(messages, error.code)) return error.message;
  const details = Object.entries(error.details ?? {}).map(([name, value]) => [
    name,
    TRANSLATED.has(name) && typeof value === 'string' ? (words[value] ?? value) : value,
  ]);
  return fill(messages[error.code as MessageCode].zh, Object.fromEntries(details) as Record<string, unknown>);
}
