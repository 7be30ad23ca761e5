interface Message {
  status: number;
  /** `{name}` stands for the detail of that name. */
  en: string;
  zh: string;
}

/** Every refusal of the inference server: what happened, which input, what to do next. Codes are stable. */
export const messages = {
  // The request itself.
  not_found: {
    status: 404,
    en: 'There is no {path} here. What there is stands in /openapi.json, and for people at /docs.',
    zh: '这里没有 {path}。可用接口见 /openapi.json，供人阅读的说明见 /docs。',
  },
  method_not_allowed: {
    status: 405,
    en: '{path} takes {allowed}, not {method}.',
    zh: '{path} 只接受 {allowed}，不接受 {method}。',
  },
  media_type_unsupported: {
    status: 415,
    en: 'The body is {found}. Send {expected}.',
    zh: '请求体类型为 {found}。请发送 {expected}。',
  },
  content_encoding_unsupported: {
    status: 415,
    en: 'The body is encoded as {encoding}. Send it without Content-Encoding: pictures are compressed already.',
    zh: '请求体使用了 {encoding} 编码。请不要使用 Content-Encoding：图片本身已经压缩。',
  },
  body_too_large: {
    status: 413,
    en: 'The body has more than the {maxBytes} bytes that are accepted. Send a smaller file.',
    zh: '请求体超过允许的 {maxBytes} 字节。请发送更小的文件。',
  },
  client_disconnected: {
    status: 499,
    en: 'The client left before its answer came.',
    zh: '客户端在收到响应之前断开了连接。',
  },
  malformed_form: {
    status: 400,
    en: 'The multipart form cannot be read: {problem}.',
    zh: '无法读取 multipart 表单：{problem}。',
  },
  form_too_large: {
    status: 422,
    en: 'The form is not accepted: it has more than {limit} {what}.',
    zh: '表单未被接受：其 {what} 超过 {limit}。',
  },
  malformed_json: {
    status: 400,
    en: 'The body is not the JSON that was expected: {problem}.',
    zh: '请求体不是预期的 JSON：{problem}。',
  },
  field_missing: {
    status: 422,
    en: 'The field {field} is missing: it holds {expected}.{instead}',
    zh: '缺少字段 {field}：其内容应为 {expected}。{instead}',
  },
  field_invalid: {
    status: 422,
    en: 'The field {field} must be {allowed}; it is {found}.',
    zh: '字段 {field} 必须是 {allowed}，收到的是 {found}。',
  },
  field_repeated: {
    status: 422,
    en: 'The field {field} is there more than once. Send it once.',
    zh: '字段 {field} 出现了多次。请只发送一次。',
  },
  field_unsupported: {
    status: 422,
    en: 'The field {field} is not supported here: {reason}.',
    zh: '此处不支持字段 {field}：{reason}。',
  },
  model_unknown: {
    status: 422,
    en: 'This service has no such model. It has {models}; leave the model out to use the first.',
    zh: '此服务没有该模型。可用模型：{models}；省略该字段则使用第一个。',
  },
  model_version_unknown: {
    status: 404,
    en: 'The model {model} is served in the version {version}, and in no other.',
    zh: '模型 {model} 当前版本为 {version}，没有其他版本。',
  },
  class_unknown: {
    status: 422,
    en: 'The model {model} has no class {found}. It has: {classes}.',
    zh: '模型 {model} 没有类别 {found}。可用类别：{classes}。',
  },
  task_unsupported: {
    status: 422,
    en: 'The model does another kind of work than was asked for.',
    zh: '该模型不支持所请求的任务：图片任务请使用图片模型，张量请使用 Open Inference Protocol（/v2）。',
  },
  prompt_unsupported: {
    status: 422,
    en: 'The field prompt must be "Remove the background" or empty: this service has no model that follows other instructions.',
    zh: '字段 prompt 只能为 “Remove the background” 或为空：此服务没有可执行其他指令的模型。',
  },
  tensor_invalid: {
    status: 422,
    en: 'The input {field} does not hold together: {problem}.',
    zh: '输入 {field} 不一致：{problem}。',
  },
  output_not_json: {
    status: 422,
    en: 'The output {field} has values that JSON has no form for. Ask for it with binary_data: true.',
    zh: '输出 {field} 含有 JSON 无法表示的值。请以 binary_data: true 请求。',
  },
  // Who asks.
  assertion_missing: {
    status: 401,
    en: 'The request carries no assertion. Send it through the gateway.',
    zh: '请求未携带断言。请通过网关发送。',
  },
  assertion_invalid: {
    status: 401,
    en: "The assertion is not one of the gateway's.",
    zh: '该断言不是由网关签发的。',
  },
  assertion_expired: {
    status: 401,
    en: 'The assertion has expired. Send the request through the gateway again.',
    zh: '断言已过期。请通过网关重新发送请求。',
  },
  assertion_wrong_audience: {
    status: 401,
    en: 'The assertion is for another service.',
    zh: '该断言用于另一个服务。',
  },
  assertion_wrong_request: {
    status: 401,
    en: 'The assertion is for another method, path or query.',
    zh: '该断言用于另一个方法、路径或查询。',
  },
  assertion_replayed: {
    status: 401,
    en: 'The assertion was used before. Each request needs its own.',
    zh: '该断言已被使用过。每个请求都需要各自的断言。',
  },
  role_insufficient: {
    status: 403,
    en: 'Loading and unloading models is for administrators. Ask one of your tenant.',
    zh: '加载和卸载模型仅限管理员。请联系您租户的管理员。',
  },
  too_many_requests_remembered: {
    status: 503,
    en: 'This server has taken more requests in the last minute than it can tell apart. Try again in {retryAfter} s.',
    zh: '此服务器在过去一分钟内收到的请求多到无法区分。请在 {retryAfter} 秒后重试。',
  },
  // Pictures.
  image_empty: {
    status: 422,
    en: 'The picture has no bytes.',
    zh: '图片没有内容。请发送图片文件。',
  },
  image_unsupported: {
    status: 415,
    en: 'The file is not of a kind that this service reads.',
    zh: '此服务不读取这种文件。请发送受支持格式的图片，例如 JPEG、PNG、WebP 或 AVIF。',
  },
  image_animated: {
    status: 422,
    en: 'The picture is animated, and this service works on single pictures.',
    zh: '图片是动图，而此服务只处理单张图片。请发送其中一帧。',
  },
  image_too_large: {
    status: 422,
    en: 'The picture has {width} × {height} pixels; at most {maxPixels} in all and 65535 on a side are accepted.',
    zh: '图片为 {width} × {height} 像素，总像素数最多为 {maxPixels}，每边最多为 65535。请缩小后重新发送。',
  },
  image_damaged: {
    status: 422,
    en: 'The picture is damaged or cut off.',
    zh: '图片已损坏或不完整，无法读取到末尾。请重新发送完整的文件。',
  },
  image_decode_timeout: {
    status: 422,
    en: 'Reading the picture took too long.',
    zh: '读取图片耗时过长。请另存为普通的 JPEG 或 PNG 后重新发送。',
  },
  image_too_costly: {
    status: 422,
    en: 'The picture would take far more to decode than its size lets expect.',
    zh: '解码此图片的开销远超其尺寸。请另存为普通的 JPEG 或 PNG 后重新发送。',
  },
  result_too_large: {
    status: 422,
    en: 'The result has more pixels on a side than its format can hold.',
    zh: '结果的边长超过该格式的上限 {longestSide} 像素。请改用 png，或发送更小的图片。',
  },
  watermark_impossible: {
    status: 422,
    en: 'The result cannot carry the invisible watermark. Send a larger picture.',
    zh: '结果无法嵌入不可见水印：两边至少需要 256 像素，且须有足够的不透明部分。请发送更大的图片。',
  },
  mark_text_invalid: {
    status: 422,
    en: 'The text of the visible mark cannot be drawn.',
    zh: '可见水印的文字无法绘制。请联系管理员。',
  },
  mark_logo_invalid: {
    status: 422,
    en: 'The logo of the visible mark cannot be used.',
    zh: '可见水印的标志图片无法使用。请联系管理员。',
  },
  matting_too_large: {
    status: 422,
    en: 'This picture, or its soft edge, is too large for alpha matting and decontamination. Send a smaller one, a smaller ae, or a=false and dc=false.',
    zh: '此图片或其柔和边缘过大，无法进行 alpha matting 或去除边缘背景色。请缩小图片、减小 ae，或使用 a=false 和 dc=false。',
  },
  // Pictures from addresses.
  remote_images_off: {
    status: 403,
    en: 'This service fetches no pictures from addresses. Send the picture itself by POST.',
    zh: '此服务不从网址获取图片。请用 POST 直接发送图片。',
  },
  remote_address_invalid: {
    status: 400,
    en: 'The address in {field} cannot be fetched from: {problem}.',
    zh: '无法从 {field} 中的网址获取图片：{problem}。',
  },
  remote_address_forbidden: {
    status: 400,
    en: 'The address {host} in {field} leads into a network that pictures are not fetched from.',
    zh: '{field} 中的地址 {host} 指向不允许获取图片的网络。',
  },
  remote_fetch_failed: {
    status: 422,
    en: 'The picture could not be fetched from {host}: {problem}.',
    zh: '无法从 {host} 获取图片：{problem}。',
  },
  // Jobs.
  job_unknown: {
    status: 404,
    en: 'There is no job {job} of yours. Jobs are kept for a while only, and each is seen by who sent it alone.',
    zh: '没有属于您的任务 {job}。任务只保留一段时间，且只有提交者可见。',
  },
  job_not_done: {
    status: 409,
    en: 'The job {job} is not done. Ask again in {retryAfter} s, or follow its events.',
    zh: '任务 {job} 尚未完成。请在 {retryAfter} 秒后再次查询，或订阅其事件。',
  },
  job_exists: {
    status: 409,
    en: 'There is a job with this id already.',
    zh: '已存在具有此编号的任务。',
  },
  too_many_streams: {
    status: 503,
    en: 'Too many jobs are being followed already, by you or by all together. Try again in {retryAfter} s, or ask for the state of the job instead.',
    zh: '您的或所有人的事件订阅已达上限。请在 {retryAfter} 秒后重试，或改为查询任务状态。',
  },
  // The engine.
  model_not_ready: {
    status: 503,
    en: 'The model cannot take work now.',
    zh: '模型当前无法接受任务。请稍后重试。',
  },
  model_too_large: {
    status: 503,
    en: 'The model needs more memory than there is for models.',
    zh: '模型所需内存超过可用于模型的内存。请联系管理员。',
  },
  model_run_failed: {
    status: 500,
    en: 'The model failed on this input.',
    zh: '模型处理此输入时失败。请换一张图片；若仍然如此，请联系管理员。',
  },
  model_process_died: {
    status: 502,
    en: 'The process of the model ended while it worked. Send the request again.',
    zh: '模型进程在处理过程中终止，正在重新启动。请重新发送请求。',
  },
  queue_full: {
    status: 503,
    en: 'Too many requests are waiting already. Try again in {retryAfter} s.',
    zh: '等待处理的请求已达上限。请在 {retryAfter} 秒后重试。',
  },
  too_many_waiting: {
    status: 429,
    en: 'Too many requests of yours are waiting already. Try again in {retryAfter} s.',
    zh: '您有过多请求在等待处理。请在 {retryAfter} 秒后重试。',
  },
  deadline_exceeded: {
    status: 504,
    en: 'The request was not finished within its time.',
    zh: '请求未能在规定时间内完成。请发送更小的图片，或稍后重试。',
  },
  job_cancelled: {
    status: 409,
    en: 'The job was cancelled on request.',
    zh: '任务已按请求取消。',
  },
  model_not_replaced: {
    status: 409,
    en: 'The model was not replaced, and goes on as it was.',
    zh: '模型未被替换，仍按原样继续服务。',
  },
  server_stopping: {
    status: 503,
    en: 'This server is being stopped. Send the request again.',
    zh: '此服务器正在停止。请重新发送请求。',
  },
  usage_outbox_full: {
    status: 503,
    en: 'This server cannot record more usage until its events are taken, and does no work that it cannot record. Tell your administrator.',
    zh: '在用量事件被取走之前，此服务器无法记录更多用量，也不执行无法记录的工作。请联系管理员。',
  },
  usage_not_recorded: {
    status: 503,
    en: 'The work was done, but its usage could not be recorded, so its result is not given out. Try again later.',
    zh: '处理已完成，但无法记录用量，因此不返回结果。请稍后重试。',
  },
  internal: {
    status: 500,
    en: 'Something failed on our side. Try again; if it stays, give the request id to your administrator.',
    zh: '我们这边出现了故障。请重试；若仍然如此，请将请求编号告知管理员。',
  },
} satisfies Record<string, Message>;
