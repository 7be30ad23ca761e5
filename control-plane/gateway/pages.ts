import { htmlPage } from '../../foundation/page.ts';
import type { Language } from '../../foundation/language.ts';

const text = {
  en: {
    home: 'Imageplane gateway',
    what: 'Services are under /s/{tenant}/{service}/, the API under /api/v1/. Programs send an API key with each request; browsers sign in.',
    signIn: 'Sign in',
    sessions: 'Your sessions',
    signOut: 'Sign out',
  },
  zh: {
    home: 'Imageplane 网关',
    what: '服务位于 /s/{租户}/{服务}/，API 位于 /api/v1/。程序在每个请求中发送 API 密钥；浏览器请先登录。',
    signIn: '登录',
    sessions: '您的会话',
    signOut: '退出登录',
  },
} satisfies Record<Language, Record<string, string>>;

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
