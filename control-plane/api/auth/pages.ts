import { escapeHtml, htmlPage } from '../../../foundation/page.ts';
import type { IdentityProvider } from '../../identity/providers/provider.ts';
import type { SessionRow } from '../../identity/sessions.ts';
import { words } from './words.ts';
import type { Language } from '../../../foundation/language.ts';

const alert = (problem: string | undefined): string =>
  problem === undefined ? '' : `<p role="alert">${escapeHtml(problem)}</p>`;
const hidden = (name: string, value: string): string =>
  `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`;

/** Every way to sign in that there is; `problem` says what was wrong with the last attempt. */
export function signInPage(options: {
  language: Language;
  next: string;
  providers: Iterable<IdentityProvider>;
  problem?: string;
}): string {
  const { language, next, problem } = options;
  const text = words[language];
  const sections = [...options.providers].map((provider) => {
    const title = escapeHtml(text.signInWith(provider.label[language]));
    const path = `/auth/providers/${provider.name}`;
    if (provider.kind === 'redirect')
      return `<p><a class="button" href="${path}/start?next=${escapeHtml(encodeURIComponent(next))}">${title}</a></p>`;
    const { name } = provider;
    return `<form method="post" action="${path}/password">
${hidden('next', next)}
<label for="${name}-login">${text.login}</label>
<input id="${name}-login" name="login" autocomplete="username" spellcheck="false" autocapitalize="none" maxlength="128" required>
<label for="${name}-password">${text.password}</label>
<input id="${name}-password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>
<button type="submit">${title}</button>
</form>`;
  });
  const key = `<form method="post" action="/auth/sign-in">
${hidden('next', next)}
<label for="key">${text.key}</label>
<input id="key" name="key" type="password" autocomplete="off" spellcheck="false" maxlength="128" required>
<button type="submit">${text.signIn}</button>
</form>`;
  const local = `<details><summary>${text.withAccount}</summary>
<form method="post" action="/auth/local">
${hidden('next', next)}
<label for="account">${text.account}</label>
<input id="account" name="account" autocomplete="username" spellcheck="false" autocapitalize="none" maxlength="320" required>
<label for="password">${text.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>
<label for="code">${text.code}</label>
<input id="code" name="code" autocomplete="one-time-code" spellcheck="false" maxlength="64">
<button type="submit">${text.signIn}</button>
</form></details>`;
  const byKey =
    sections.length === 0 ? key : `<details><summary>${text.withKey}</summary>\n${key}\n</details>`;
  return htmlPage({
    language,
    title: text.signIn,
    body: [alert(problem), ...sections, byKey, local].join('\n'),
  });
}

export function failurePage(language: Language, problem: string): string {
  const text = words[language];
  const body = `${alert(problem)}\n<p><a href="/auth/sign-in">${text.again}</a></p>`;
  return htmlPage({ language, title: text.failed, body });
}

export function chooseTenantPage(language: Language, tenants: readonly string[], next: string): string {
  const text = words[language];
  const options = tenants.map((tenant) => `<option>${escapeHtml(tenant)}</option>`).join('');
  return htmlPage({
    language,
    title: text.chooseTenant,
    body: `<p>${text.chooseIntro}</p>
<form method="post" action="/auth/tenant">
${hidden('next', next)}
<label for="tenant">${text.tenant}</label>
<select id="tenant" name="tenant">${options}</select>
<button type="submit">${text.goOn}</button>
</form>`,
  });
}

/** Goes to the provider by itself. A redirect would not do: the policy of the page that the form stood on forbids it. */
export function signedOutPage(language: Language, goTo: string): string {
  const text = words[language];
  return htmlPage({
    language,
    title: text.signedOut,
    goTo,
    body: `<p>${text.signedOutHere}</p>
<p><a class="button" href="${escapeHtml(goTo)}">${text.goOn}</a></p>
<p><a href="/">${text.home}</a></p>`,
  });
}

export function sessionsPage(language: Language, sessions: readonly SessionRow[], current: string): string {
  const text = words[language];
  const rows = sessions.map((session) => {
    const { id, createdAt, clientIp, userAgent, provider, amr } = session;
    const end =
      id === current
        ? text.thisOne
        : `<form method="post" action="/auth/sessions/end">${hidden('id', id)}<button type="submit">${text.end}</button></form>`;
    const cells = [createdAt.toISOString(), `${clientIp}\n${userAgent}`, provider ?? amr.join(' ')];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}<td>${end}</td></tr>`;
  });
  return htmlPage({
    language,
    title: text.sessions,
    wide: true,
    body: `<p>${text.sessionsIntro}</p>
<table><thead><tr><th>${text.when}</th><th>${text.where}</th><th>${text.how}</th><th></th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>
<form method="post" action="/auth/sessions/end">${hidden('all', 'yes')}<button type="submit">${text.endAll}</button></form>
<form method="post" action="/auth/sign-out"><button type="submit">${text.signOut}</button></form>`,
  });
}
