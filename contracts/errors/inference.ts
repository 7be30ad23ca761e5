/** What an inference server refuses, and what may fail there. */
export const inferenceErrors = {
  model_not_ready: {
    status: 503,
    en: 'The model {model} cannot take work now. Try again in {retryAfter} s; if it keeps happening, tell your administrator.',
    zh: '模型 {model} 暂时无法处理请求。请在 {retryAfter} 秒后重试；如果问题持续出现，请联系管理员。',
  },
  model_unknown: {
    status: 422,
    en: 'This service has no model {model}. It has {models}; leave the model out to use the first.',
    zh: '此服务没有模型 {model}。可用的模型：{models}；不指定模型时使用第一个。',
  },
  queue_full: {
    status: 503,
    en: 'As many requests wait here as may: {limit}. Try again in {retryAfter} s.',
    zh: '排队的请求已达上限：{limit}。请在 {retryAfter} 秒后重试。',
  },
  server_stopping: {
    status: 503,
    en: 'This server is being stopped. Send the request again in {retryAfter} s.',
    zh: '服务器正在停止。请在 {retryAfter} 秒后重新发送请求。',
  },
  deadline_exceeded: {
    status: 504,
    en: 'The work was not done within the {limit} s allowed. Send a smaller picture, or try again when there is less to do.',
    zh: '未能在规定的 {limit} 秒内完成处理。请缩小图片，或在空闲时重试。',
  },
  model_process_died: {
    status: 502,
    en: 'The process of the model ended while it worked on this picture. It is being started again: send the request again in {retryAfter} s.',
    zh: '模型进程在处理此图片时意外退出，正在重新启动。请在 {retryAfter} 秒后重新发送请求。',
  },
  model_run_failed: {
    status: 500,
    en: 'The model failed on this picture. Try another picture; if it keeps happening, tell your administrator.',
    zh: '模型处理此图片时出错。请换一张图片；如果问题持续出现，请联系管理员。',
  },
  client_disconnected: {
    status: 499,
    en: 'The client left before its request was done.',
    zh: '客户端在请求完成之前断开了连接。',
  },
  too_many_requests_remembered: {
    status: 503,
    en: 'This server has taken more requests in the last minute than it can tell apart. Try again in {retryAfter} s.',
    zh: '最近一分钟内的请求过多，服务器无法逐一区分。请在 {retryAfter} 秒后重试。',
  },
  usage_outbox_full: {
    status: 503,
    en: 'This server cannot record more usage until its events are taken, and does no work that it cannot record. Try again in {retryAfter} s, and tell your administrator.',
    zh: '用量事件尚未被接收，服务器暂时无法记录更多用量，因此不再处理请求。请在 {retryAfter} 秒后重试，并联系管理员。',
  },
  usage_not_recorded: {
    status: 503,
    en: 'The work was done, but its usage could not be recorded, so its result is not given out. Try again in {retryAfter} s.',
    zh: '处理已完成，但用量无法记录，因此不返回结果。请在 {retryAfter} 秒后重试。',
  },
  malformed_form: {
    status: 400,
    en: 'The multipart form cannot be read: {problem}.',
    zh: '无法读取 multipart 表单：{problem}。',
  },
  form_too_large: {
    status: 422,
    en: 'The form is not accepted: {problem}.',
    zh: '表单不符合要求：{problem}。',
  },
  field_repeated: {
    status: 422,
    en: 'The field {field} is there more than once. Send it once.',
    zh: '字段 {field} 出现了多次。请只发送一次。',
  },
  field_unsupported: {
    status: 422,
    en: 'The field {field} is not supported here: {problem}.',
    zh: '此处不支持字段 {field}：{problem}。',
  },
  field_missing: {
    status: 422,
    en: 'The multipart field {field}, with the picture as a file, is missing.',
    zh: '缺少 multipart 字段 {field}，该字段应为图片文件。',
  },
  image_empty: {
    status: 422,
    en: 'The picture has no bytes. Send a JPEG, PNG or WebP file.',
    zh: '图片内容为空。请发送 JPEG、PNG 或 WebP 文件。',
  },
  image_unsupported: {
    status: 415,
    en: 'The file is {found}, which this service does not read. Send a JPEG, PNG or WebP file.',
    zh: '文件格式（{found}）不受支持。请发送 JPEG、PNG 或 WebP 文件。',
  },
  image_animated: {
    status: 422,
    en: 'The picture is animated, and this service works on single pictures. Send one frame of it as JPEG, PNG or WebP.',
    zh: '此图片为动图，而此服务只处理静态图片。请将其中一帧保存为 JPEG、PNG 或 WebP 后发送。',
  },
  image_too_large: {
    status: 422,
    en: 'The picture has {width} × {height} pixels; at most {maxPixels} in all are accepted. Make it smaller and send it again.',
    zh: '图片为 {width} × {height} 像素，总像素数不得超过 {maxPixels}。请缩小后重试。',
  },
  image_damaged: {
    status: 422,
    en: 'The picture is damaged or cut off, and cannot be read to its end. Send the whole file again.',
    zh: '图片已损坏或不完整，无法读取。请重新发送完整的文件。',
  },
  image_decode_timeout: {
    status: 422,
    en: 'Reading the picture took longer than {limit} s. Save it as a plain JPEG or PNG and send it again.',
    zh: '读取图片超过 {limit} 秒。请将其另存为普通的 JPEG 或 PNG 后重新发送。',
  },
} as const;
