import type { ErrorBody } from '../contracts/error.ts';
import { errorBodyOf, RequestError } from '../foundation/errors.ts';
import { fill, type Language } from '../foundation/language.ts';
import { messages } from './message-catalogue.ts';

/** Why a field cannot be had here: `{reason}` in a sentence stands for one of these. */
const reasons = {
  not_a_field: { en: 'known here are: {known}', zh: '此处可用的字段：{known}' },
  belongs_in_query: { en: 'it belongs in the query, as in rembg', zh: '它应放在查询参数中，与 rembg 一致' },
  belongs_in_form: {
    en: 'it belongs in the form of a POST, as in rembg',
    zh: '它应放在 POST 表单中，与 rembg 一致',
  },
  parameters_in_query: { en: 'parameters belong in the query', zh: '参数应放在查询参数中' },
  with_mask: { en: 'it has no meaning together with output=mask', zh: '它与 output=mask 同用没有意义' },
  with_png: {
    en: 'png loses nothing and has no quality; send format=jpeg, webp or avif with it',
    zh: 'png 是无损格式，没有质量参数；请与 format=jpeg、webp 或 avif 同用',
  },
  no_vitmatte: {
    en: 'there is no ViTMatte; send vm=false, or leave it out',
    zh: '没有 ViTMatte；请发送 vm=false 或省略',
  },
  no_sam: {
    en: 'the model sam is not served, since it needs prompts',
    zh: '不提供 sam 模型，因为它需要提示',
  },
  no_paths: { en: 'a request cannot name files of the server', zh: '请求不能指定服务器上的文件' },
  one_picture: { en: 'a request has one picture', zh: '每个请求只含一张图片' },
  no_mask: { en: 'the subject is found by the model', zh: '主体由模型自动识别' },
  no_files: { en: 'no files are kept here; send the picture itself', zh: '此处不保存文件；请直接发送图片' },
  no_stream: { en: 'a picture is answered when it is whole', zh: '图片处理完成后一次性返回' },
  no_generation: {
    en: 'this service removes backgrounds, and draws nothing',
    zh: '此服务只去除背景，不生成内容',
  },
  no_links: { en: 'results are in the answer itself, as b64_json', zh: '结果以 b64_json 直接包含在响应中' },
  no_compression: { en: 'the quality of what is given is fixed', zh: '输出质量是固定的' },
  no_parameter: { en: 'the protocol knows it, this server does not', zh: '协议中有此参数，但此服务器不支持' },
  no_configuration: { en: 'models are configured by their manifests', zh: '模型由其清单配置' },
} satisfies Record<string, { en: string; zh: string }>;
export type Reason = keyof typeof reasons;

export type MessageCode = keyof typeof messages;
export { messages };

/** The refusal of that code; its details fill the sentence and are given to the client. */
export function refusal(
  code: MessageCode,
  details: Record<string, unknown> = {},
  extra: { headers?: Record<string, string>; cause?: unknown } = {},
): RequestError {
  const { status, en } = messages[code];
  const retryAfter = details['retryAfter'];
  return new RequestError(status, code, filled(en, details, 'en'), {
    ...extra,
    ...(Object.keys(details).length === 0 ? {} : { details }),
    headers: {
      ...(typeof retryAfter === 'number' ? { 'retry-after': String(retryAfter) } : {}),
      ...extra.headers,
    },
  });
}

/** The refusal of a field that another server would take, or that stands in the wrong place. */
export function unsupportedField(
  field: string,
  reason: Reason,
  details: Record<string, unknown> = {},
): RequestError {
  return refusal('field_unsupported', { field, reason, ...details });
}

function filled(template: string, details: Record<string, unknown>, language: Language): string {
  const reason = details['reason'];
  const why =
    typeof reason === 'string' && Object.hasOwn(reasons, reason)
      ? { reason: fill(reasons[reason as Reason][language], details) }
      : {};
  return fill(template, { ...details, ...why });
}

/** The error's sentence in the reader's language: its own English, or the registry's Chinese where that is complete. */
export function sentence(error: RequestError, language: Language): string {
  if (language === 'en' || !Object.hasOwn(messages, error.code)) return error.message;
  const details = { retryAfter: error.headers['retry-after'], ...error.details };
  const chinese = filled(messages[error.code as MessageCode].zh, details, 'zh');
  return /\{\w+\}/.test(chinese) ? error.message : chinese;
}

/** The product's own shape of an error, with a sentence from `sentence`. */
export function errorBodyWith(error: RequestError, message: string, requestId: string): ErrorBody {
  const { error: content } = errorBodyOf(error, { requestId, language: 'en' });
  return { error: { ...content, message } };
}
