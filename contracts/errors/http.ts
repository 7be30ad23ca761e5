/** What is wrong with a request as HTTP, whatever it asks for. */
export const httpErrors = {
  path_not_canonical: {
    status: 400,
    en: 'The path can be read in more than one way: it has "..", "//", ";", a backslash, or an encoded slash, dot or control character. Send the plain path.',
    zh: '路径可能被解读成不同的含义：其中含有“..”“//”“;”、反斜杠，或经过编码的斜杠、点、控制字符。请发送规范的路径。',
  },
  too_many_headers: {
    status: 431,
    en: 'The request has more than {limit} header fields. Send fewer, for example by clearing cookies.',
    zh: '请求头超过 {limit} 个。请减少请求头，例如清除 Cookie。',
  },
  headers_too_large: {
    status: 431,
    en: 'The header fields are larger than {limit} bytes together. Send less, for example by clearing cookies.',
    zh: '请求头总大小超过 {limit} 字节。请缩减请求头，例如清除 Cookie。',
  },
  malformed_request: {
    status: 400,
    en: 'This is not a well-formed HTTP/1.1 request.',
    zh: '请求不符合 HTTP/1.1 格式。',
  },
  request_timeout: {
    status: 408,
    en: 'The request did not arrive in time. Send it again over a faster line, or a smaller one.',
    zh: '未能在规定时间内收到完整的请求。请在网络较好时重试，或减小请求。',
  },
  host_missing: {
    status: 400,
    en: 'The request must name one host in its Host header.',
    zh: '请求必须在 Host 头中给出唯一的主机名。',
  },
  host_not_allowed: {
    status: 421,
    en: 'This gateway does not answer for the host in the Host header. Use its configured name, or ask your administrator to add this one to "hosts".',
    zh: '此网关不为 Host 头中的主机名提供服务。请使用已配置的主机名，或请管理员将该主机名加入“hosts”。',
  },
  method_not_allowed: {
    status: 405,
    en: 'This method is not allowed here. Allowed: {allowed}.',
    zh: '此处不支持该请求方法。支持的方法：{allowed}。',
  },
  not_found: {
    status: 404,
    en: 'There is nothing at this path. Services are under /s/TENANT/SERVICE/, the API under /api/v1/.',
    zh: '此路径不存在。服务位于 /s/租户/服务/，API 位于 /api/v1/。',
  },
  body_too_large: {
    status: 413,
    en: 'The body is larger than the {limit} bytes that are taken here. Send a smaller one.',
    zh: '请求体超过此处允许的 {limit} 字节。请减小后重试。',
  },
  malformed_json: {
    status: 400,
    en: 'The body is not JSON. Check it with a JSON tool, and send it as UTF-8.',
    zh: '请求体不是合法的 JSON。请用 JSON 工具检查，并以 UTF-8 编码发送。',
  },
  body_unreadable: {
    status: 400,
    en: 'The body could not be read: it broke off, or is not encoded as its headers say. Send it again, whole.',
    zh: '无法读取请求体：传输中断，或其编码与请求头不符。请重新发送完整的请求体。',
  },
  media_type_unsupported: {
    status: 415,
    en: 'The body is not of a type that is read here. Send it as {allowed}.',
    zh: '请求体的类型不受支持。请以 {allowed} 发送。',
  },
  content_encoding_unsupported: {
    status: 415,
    en: 'The body is encoded in a way that is not read here. Send it without Content-Encoding.',
    zh: '请求体的编码方式不受支持。请不要使用 Content-Encoding。',
  },
  form_invalid: {
    status: 400,
    en: 'The form must be sent as application/x-www-form-urlencoded, with the fields of the page, and no larger than 8 KiB.',
    zh: '表单必须以 application/x-www-form-urlencoded 发送，包含页面上的字段，且不超过 8 KiB。',
  },
  field_invalid: {
    status: 422,
    en: 'The field {field} is wrong: {problem}.',
    zh: '字段 {field} 有误：{problem}。',
  },
  origin_not_listed: {
    status: 403,
    en: 'Pages of this origin may not call from another one. An administrator of the platform can add it to "cors.origins".',
    zh: '此来源的页面不得跨源调用。平台管理员可将其加入“cors.origins”。',
  },
  cross_origin: {
    status: 403,
    en: 'With a browser session this request is only accepted from a page of the same origin. Behind a proxy, "trustedProxies" must name it.',
    zh: '使用浏览器会话时，此请求只能来自同源页面。若网关位于代理之后，请在“trustedProxies”中配置该代理。',
  },
  internal: {
    status: 500,
    en: 'Something failed on our side. Try again; if it keeps happening, give the request id to your administrator.',
    zh: '服务内部出错。请重试；如果问题持续出现，请将请求编号提供给管理员。',
  },
} as const;
