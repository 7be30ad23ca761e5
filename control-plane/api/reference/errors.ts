import { errorGroups } from '../../../contracts/error-codes.ts';
import type { Language, Localized } from '../../../foundation/language.ts';
import { table } from './markdown.ts';

const groups: Record<keyof typeof errorGroups, Localized> = {
  http: { en: 'The request', zh: '请求本身' },
  credentials: { en: 'Credentials', zh: '凭据' },
  signIn: { en: "Signing in and one's own account", zh: '登录与自己的账号' },
  access: { en: 'Access and administration', zh: '权限与管理' },
  service: { en: 'Services, limits, and what is away', zh: '服务、限额与不可用情况' },
  inference: { en: 'Inference servers', zh: '推理服务器' },
};

const words = {
  en: {
    title: '# Errors',
    other: '[中文](errors.zh.md)',
    made: 'Made by `npm run generate` from `contracts/errors/`; do not edit.',
    text: `Every error of the product has one shape, from whichever part it comes:

\`\`\`json
{
  "error": {
    "code": "rate_limited",
    "message": "More than 500 requests a minute. Try again in 12 s.",
    "requestId": "0198c0de-0000-7000-8000-000000000000",
    "details": { "limit": 500, "retryAfter": 12 }
  }
}
\`\`\`

Programs go by \`code\`, which does not change, and by \`details\`; \`message\` is for people, in Chinese where \`Accept-Language\` prefers it to English, and its wording may change. \`requestId\` is also in the header \`X-Request-ID\`, in the logs and in the audit: give it to your administrator. Where it helps to wait, \`Retry-After\` says how many seconds. A browser that asks for a page gets the same as a page.

\`field_invalid\` lists every wrong field in \`details.problems\`, each with \`field\` and \`message\`.`,
    head: ['Code', 'Status', 'Sentence'],
  },
  zh: {
    title: '# 错误',
    other: '[English](errors.md)',
    made: '由 `npm run generate` 根据 `contracts/errors/` 生成，请勿手动修改。',
    text: `产品的所有错误格式统一，与出错的组件无关：

\`\`\`json
{
  "error": {
    "code": "rate_limited",
    "message": "每分钟请求数超过 500 次。请在 12 秒后重试。",
    "requestId": "0198c0de-0000-7000-8000-000000000000",
    "details": { "limit": 500, "retryAfter": 12 }
  }
}
\`\`\`

程序应以 \`code\`（保持不变）和 \`details\` 为准；\`message\` 供人阅读，当 \`Accept-Language\` 优先中文时为中文，措辞可能调整。\`requestId\` 同时出现在 \`X-Request-ID\` 响应头、日志和审计记录中，联系管理员时请提供。如果等待后可重试，\`Retry-After\` 会给出秒数。浏览器请求页面时，会收到内容相同的错误页面。

\`field_invalid\` 会在 \`details.problems\` 中列出所有有误的字段，每项包含 \`field\` 和 \`message\`。`,
    head: ['错误码', '状态码', '说明'],
  },
} satisfies Record<Language, Record<string, string | string[]>>;

/** docs/errors.md, or its Chinese twin. */
export function errorsPage(language: Language): string {
  const { title, other, made, text, head } = words[language];
  const sections = Object.entries(errorGroups).map(([name, group]) => {
    const rows = Object.entries(group).map(([code, kind]: [string, { status: number } & Localized]) => [
      `\`${code}\``,
      String(kind.status),
      kind[language].replace(/\{(\w+)\}/g, '`$1`'),
    ]);
    return `## ${groups[name as keyof typeof groups][language]}\n\n${table(head, rows)}`;
  });
  return [title, other, made, text, ...sections].join('\n\n');
}
