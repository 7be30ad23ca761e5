/** Limits and quotas, and what is away: of services, and of the product's own parts. */
export const serviceErrors = {
  service_not_found: {
    status: 404,
    en: 'There is no such service that you may use. Check tenant and service in the path.',
    zh: '找不到该服务，或您无权使用。请检查路径中的租户和服务名。',
  },
  service_unavailable: {
    status: 503,
    en: 'The service cannot be called now: {reason} Try again in {retryAfter} s.',
    zh: '服务暂时不可用：{reason}请在 {retryAfter} 秒后重试。',
  },
  too_many_keys: {
    status: 409,
    en: '{place} has {limit} keys in force, the most there can be. Revoke what is not used: GET /api/v1/stale lists it.',
    zh: '{place}生效中的密钥已达上限 {limit} 个。请吊销不再使用的密钥：GET /api/v1/stale 会列出它们。',
  },
  too_many_principals: {
    status: 409,
    en: '{place} has {limit} people and applications, the most there can be. Disable what is not used: GET /api/v1/stale lists it.',
    zh: '{place}的人员和应用已达上限 {limit} 个。请停用不再使用的账号：GET /api/v1/stale 会列出它们。',
  },
  ledger_busy: {
    status: 429,
    en: 'Too many requests of this tenant came at once to be counted against its quotas. Send them more slowly; try again in {retryAfter} s.',
    zh: '该租户同时到达的请求过多，来不及逐一核对配额。请放慢发送速度，在 {retryAfter} 秒后重试。',
  },
  too_many_bodies: {
    status: 429,
    en: 'More than {limit} requests with a body are on their way from this address. Wait for an answer, then send the next request.',
    zh: '来自此地址、正在上传请求体的请求超过 {limit} 个。请在已有请求完成后再发送。',
  },
  rate_limited: {
    status: 429,
    en: 'More than {limit} requests a minute. Try again in {retryAfter} s.',
    zh: '每分钟请求数超过 {limit} 次。请在 {retryAfter} 秒后重试。',
  },
  quota_spent: {
    status: 429,
    en: 'The quota of {limit} {unit} a {period} for this {scope} is spent, or what is left of it is less than one request may take. It is renewed at {resetsAt}.',
    zh: '此{scope}的{period}配额（{limit} {unit}）已用完，或剩余额度不足一次请求的最大用量。配额将于 {resetsAt} 重置。',
  },
  too_many_in_flight: {
    status: 429,
    en: 'This {scope} has as many {what} in flight as it may: {limit}. Wait for an answer, then send the next request.',
    zh: '此{scope}同时处理中的{what}已达上限：{limit}。请在已有请求完成后再发送。',
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
    zh: 'API 暂时不可用，无法读取或更改其中的内容；各项服务仍可使用。请在 {retryAfter} 秒后重试。',
  },
  database_unavailable: {
    status: 503,
    en: 'The database is away. Nothing was changed; try again in {retryAfter} s.',
    zh: '数据库暂时不可用，未做任何更改。请在 {retryAfter} 秒后重试。',
  },
  overloaded: {
    status: 503,
    en: 'There are too many requests at once. Try again in {retryAfter} s.',
    zh: '同时到达的请求过多。请在 {retryAfter} 秒后重试。',
  },
  ledger_unavailable: {
    status: 503,
    en: 'Quotas cannot be checked at the moment, and what may be used meanwhile is used up. Try again in {retryAfter} s.',
    zh: '暂时无法核对配额，且在此期间允许的用量已用完。请在 {retryAfter} 秒后重试。',
  },
  records_unavailable: {
    status: 503,
    en: 'The request cannot be recorded at the moment, so it is not served. Try again in {retryAfter} s.',
    zh: '暂时无法记录请求，因此不予处理。请在 {retryAfter} 秒后重试。',
  },
  snapshot_stale: {
    status: 503,
    en: 'The gateway has had no news of keys and policies for too long to go on deciding by the old ones. Try again in {retryAfter} s.',
    zh: '网关长时间未能更新密钥与策略，无法继续按旧数据进行判断。请在 {retryAfter} 秒后重试。',
  },
  service_busy: {
    status: 503,
    en: 'The service has too many requests open. Try again in {retryAfter} s.',
    zh: '该服务正在处理的请求过多。请在 {retryAfter} 秒后重试。',
  },
  stopping: {
    status: 503,
    en: 'The gateway is being stopped. Try again in {retryAfter} s.',
    zh: '网关正在停止。请在 {retryAfter} 秒后重试。',
  },
  upstream_unreachable: {
    status: 502,
    en: 'The service could not be reached. Try again soon; if it keeps happening, give the request id to your administrator.',
    zh: '无法连接到该服务。请稍后重试；如果问题持续出现，请将请求编号提供给管理员。',
  },
  upstream_failed: {
    status: 502,
    en: 'The service broke off without a complete answer. Try again; if it keeps happening, give the request id to your administrator.',
    zh: '服务中断，未返回完整的响应。请重试；如果问题持续出现，请将请求编号提供给管理员。',
  },
  upstream_timeout: {
    status: 504,
    en: 'The service did not answer within {limit} s. Try a smaller input, or again later.',
    zh: '服务未在 {limit} 秒内响应。请减小输入，或稍后重试。',
  },
  secrets_key_missing: {
    status: 503,
    en: 'This needs the key that secrets are wrapped with. Ask the operator to set secretsKeyFile for the API and the gateway.',
    zh: '此功能需要用于加密的密钥。请运维人员为 API 和网关设置 secretsKeyFile。',
  },
} as const;
