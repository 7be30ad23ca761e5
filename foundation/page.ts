import { createHash } from 'node:crypto';

const STYLE = `
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0; display: grid; place-items: center; min-height: 100vh }
main { width: min(26rem, 100% - 3rem); padding: 2rem 0 }
main.wide { width: min(48rem, 100% - 3rem) }
label { display: block; margin: 1rem 0 .25rem }
input, select { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; border: 1px solid #767676; border-radius: .375rem }
button, a.button { display: inline-block; font: inherit; margin-top: 1rem; padding: .5rem 1rem; border: 0; border-radius: .375rem; background: #1d4ed8; color: #fff; text-decoration: none }
a.button { display: block; text-align: center }
:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px }
[role=alert] { border-left: 4px solid #dc2626; padding-left: .75rem }
details { margin-top: 1.5rem }
summary { cursor: pointer }
table { width: 100%; border-collapse: collapse }
th, td { text-align: start; padding: .5rem .5rem .5rem 0; border-bottom: 1px solid #76767655; vertical-align: top; overflow-wrap: anywhere }
td button { margin: 0 }
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

/** A whole page; `title` and `body` are HTML. `goTo`: where the browser goes by itself at once. */
export function htmlPage(page: {
  language: 'en' | 'zh';
  title: string;
  body: string;
  wide?: boolean;
  goTo?: string;
}): string {
  const { language, title, body, wide = false, goTo } = page;
  const refresh = goTo === undefined ? '' : `<meta http-equiv="refresh" content="0;url=${escapeHtml(goTo)}">`;
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${refresh}<title>${title}</title><style>${STYLE}</style></head>
<body><main${wide ? ' class="wide"' : ''}><h1>${title}</h1>
${body}
</main></body></html>
`;
}
