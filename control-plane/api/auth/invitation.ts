import type { Request, Response } from 'express';
import { z } from 'zod';
import { RequestError, refusal, sentence } from '../../../foundation/errors.ts';
import type { Language } from '../../../foundation/language.ts';
import { escapeHtml, htmlPage, pageHeaders } from '../../../foundation/page.ts';
import { acceptLink, openLink, type OwnAccountContext } from '../own-account.ts';
import { type AuthRoutes, clientOf } from './context.ts';
import { formBody, formOf } from './sign-in.ts';
import { words } from './words.ts';

const acceptForm = z.object({
  token: z.string().max(128),
  password: z.string().max(1024),
  again: z.string().max(1024),
  code: z.string().max(64).default(''),
});

/** One-time links: a person sets the password, and the second factor where one is demanded. */
export const invitationRoutes: AuthRoutes = (app, context) => {
  const own: OwnAccountContext = { ...context, tools: context.identity };

  app.get('/auth/invitation', async (request, response) => {
    const { token } = request.query;
    await show(own, request, response, { token: typeof token === 'string' ? token : '' });
  });

  app.post('/auth/invitation', formBody, async (request, response) => {
    const { token, password, again, code } = formOf(acceptForm, request);
    try {
      if (password !== again) throw refusal('passwords_differ');
      const { account, recoveryCodes } = await acceptLink(own, { token, password, code });
      const { language } = clientOf(request);
      response.set(pageHeaders).send(donePage(language, account, recoveryCodes));
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 422) throw error;
      await show(own, request, response, { token, problem: error });
    }
  });
};

async function show(
  context: OwnAccountContext,
  request: Request,
  response: Response,
  { token, problem }: { token: string; problem?: RequestError },
): Promise<void> {
  const { account, name, enrolment } = await openLink(context, token);
  const { language } = clientOf(request);
  const text = words[language];
  const factor =
    enrolment === undefined
      ? ''
      : `<p>${text.enrol}</p>
<p><a class="button" href="${escapeHtml(enrolment.uri)}">${text.openApp}</a></p>
<p><code>${escapeHtml(enrolment.secret.replace(/(.{4})/g, '$1 ').trim())}</code></p>
<label for="code">${text.newCode}</label>
<input id="code" name="code" autocomplete="one-time-code" inputmode="numeric" maxlength="64" required>`;
  const alert = problem === undefined ? '' : `<p role="alert">${escapeHtml(sentence(problem, language))}</p>`;
  const field = (id: string, label: string): string => `<label for="${id}">${label}</label>
<input id="${id}" name="${id}" type="password" autocomplete="new-password" minlength="12" maxlength="256" required>`;
  const body = `${alert}<p>${escapeHtml(name)} · ${escapeHtml(account)}</p>
<form method="post" action="/auth/invitation">
<input type="hidden" name="token" value="${escapeHtml(token)}">
${field('password', text.newPassword)}
${field('again', text.newPasswordAgain)}
${factor}
<button type="submit">${text.setPassword}</button>
</form>`;
  response
    .status(problem?.status ?? 200)
    .set(pageHeaders)
    .send(htmlPage({ language, title: text.setPassword, body }));
}

function donePage(language: Language, account: string, recoveryCodes: readonly string[]): string {
  const text = words[language];
  const codes =
    recoveryCodes.length === 0
      ? ''
      : `<p>${text.recoveryCodes}</p>
<ul>${recoveryCodes.map((code) => `<li><code>${code}</code></li>`).join('')}</ul>`;
  const body = `<p>${text.passwordSet(escapeHtml(account))}</p>
${codes}
<p><a class="button" href="/auth/sign-in">${text.signIn}</a></p>`;
  return htmlPage({ language, title: text.setPassword, body });
}
