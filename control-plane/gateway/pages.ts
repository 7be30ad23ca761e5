import { createHash } from 'node:crypto';
import type { Language } from './messages.ts';

const STYLE = `
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0; display: grid; place-items: center; min-height: 100vh }
main { width: min(26rem, 100% - 3rem) }
label { display: block; margin: 1rem 0 .25rem }
input { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; border: 1px solid #767676; border-radius: .375rem }
button { font: inherit; margin-top: 1rem; padding: .5rem 1rem; border: 0; border-radius: .375rem; background: #1d4ed8; color: #fff }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px }
[role=alert] { border-left: 4px solid #dc2626; padding-left: .75rem }
`;

const styleHash = createHash('sha256').update(STYLE).digest('base64');

/** No script, no frames, nothing from elsewhere. */
export const pageHeaders: Record<string, string> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not `no-referrer`: with it browsers send `Origin: null` with forms, and the sign-in asks for a real one.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
  vary: 'accept-language',
};

const text = {
  en: {
    lang: 'en',
    signIn: 'Sign in',
    intro: 'Sign in with an API key to open the pages of your services in this browser.',
    key: 'API key',
    home: 'Imageplane gateway',
    what: 'Services are under /s/{tenant}/{service}/, the API under /api/v1/. Programs send an API key with each request; browsers sign in.',
    signOut: 'Sign out',
  },
  zh: {
    lang: 'zh-CN',
    signIn: '登录',
    intro: '使用 API 密钥登录，即可在此浏览器中打开服务页面。',
    key: 'API 密钥',
    home: 'Imageplane 网关',
    what: '服务位于 /s/{租户}/{服务}/，API 位于 /api/v1/。程序在每个请求中发送 API 密钥；浏览器请先登录。',
    signOut: '退出登录',
  },
} satisfies Record<Language, Record<string, string>>;

export function escapeHtml(value: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return value.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function page(language: Language, title: string, body: string): string {
  return `<!doctype html>
<html lang="${text[language].lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style></head>
<body><main><h1>${title}</h1>
${body}
</main></body></html>
`;
}

/** The sign-in form; `problem` says what was wrong with the last attempt. */
export function signInPage(language: Language, next: string, problem?: string): string {
  const words = text[language];
  const alert = problem === undefined ? '' : `<p role="alert">${escapeHtml(problem)}</p>`;
  return page(
    language,
    words.signIn,
    `<p>${words.intro}</p>${alert}
<form method="post" action="/auth/sign-in">
<input type="hidden" name="next" value="${escapeHtml(next)}">
<label for="key">${words.key}</label>
<input id="key" name="key" type="password" autocomplete="off" spellcheck="false" maxlength="128" required autofocus>
<button type="submit">${words.signIn}</button>
</form>`,
  );
}

export function homePage(language: Language): string {
  const words = text[language];
  return page(
    language,
    words.home,
    `<p>${words.what}</p>
<p><a href="/auth/sign-in">${words.signIn}</a></p>
<form method="post" action="/auth/sign-out"><button type="submit">${words.signOut}</button></form>`,
  );
}
