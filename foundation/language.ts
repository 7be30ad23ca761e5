/** Puts details in the places that a sentence names in braces; a place without a detail stays as it is. */
export function fill(template: string, details: Readonly<Record<string, unknown>>): string {
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = details[name];
    if (Array.isArray(value) && value.length > 0) return value.map(String).join(', ');
    return typeof value === 'string' || typeof value === 'number' ? String(value) : placeholder;
  });
}

export type Language = 'en' | 'zh';

/** Words that are said in the reader's language. */
export interface Localized {
  en: string;
  zh: string;
}

export function isLocalized(value: unknown): value is Localized {
  if (typeof value !== 'object' || value === null) return false;
  const { en, zh, ...rest } = value as Record<string, unknown>;
  return typeof en === 'string' && typeof zh === 'string' && Object.keys(rest).length === 0;
}

/** RFC 9110 §12.5.4, for the two languages there are: Chinese when it is preferred to English. */
export function preferredLanguage(acceptLanguage: string | undefined): Language {
  const quality = { en: 0, zh: 0 };
  let any = 0;
  for (const part of (acceptLanguage ?? '').split(',').slice(0, 20)) {
    const [range = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(';')
      .map((text) => text.trim());
    const given = parameters.find((parameter) => parameter.startsWith('q='));
    const q = given === undefined ? 1 : Number(given.slice(2));
    if (!(q >= 0 && q <= 1)) continue;
    const [language] = range.split('-');
    if (language === 'zh' || language === 'en') quality[language] = Math.max(quality[language], q);
    else if (range === '*') any = q;
  }
  return quality.zh > Math.max(quality.en, quality.en === 0 ? any : 0) ? 'zh' : 'en';
}
