import { type RequestError, sentence } from '../../foundation/errors.ts';
import { escapeHtml, htmlPage } from '../../foundation/page.ts';
import type { Language } from './messages.ts';

const text = {
  en: {
    home: 'Imageplane gateway',
    what: 'Services are under /s/{tenant}/{service}/, the API under /api/v1/. Programs send an API key with each request; browsers sign in.',
    signIn: 'Sign in',
    sessions: 'Your sessions',
    signOut: 'Sign out',
    error: 'This did not work',
    code: 'Code:',
    requestId: 'Request id:',
    toHome: 'Start page',
  },
  zh: {
    home: 'Imageplane 网关',
    what: '服务位于 /s/{租户}/{服务}/，API 位于 /api/v1/。程序在每个请求中发送 API 密钥；浏览器请先登录。',
    signIn: '登录',
    sessions: '您的会话',
    signOut: '退出登录',
    error: '请求未能完成',
    code: '错误码：',
    requestId: '请求编号：',
    toHome: '返回首页',
  },
} satisfies Record<Language, Record<string, string>>;

/** What the JSON of an error says, for people. */
export function errorPage(error: RequestError, requestId: string, language: Language): string {
  const words = text[language];
  return htmlPage({
    language,
    title: words.error,
    body: `<p role="alert">${escapeHtml(sentence(error, language))}</p>
<p>${words.code} <code>${escapeHtml(error.code)}</code> · ${words.requestId} <code>${escapeHtml(requestId)}</code></p>
<p><a href="/">${words.toHome}</a></p>`,
  });
}

export function homePage(language: Language): string {
  const words = text[language];
  return htmlPage({
    language,
    title: words.home,
    body: `<p>${words.what}</p>
<p><a href="/auth/sign-in">${words.signIn}</a> · <a href="/auth/sessions">${words.sessions}</a></p>
<form method="post" action="/auth/sign-out"><button type="submit">${words.signOut}</button></form>`,
  });
}
