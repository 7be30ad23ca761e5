import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { apiPage } from './reference/api.ts';
import { errorsPage } from './reference/errors.ts';

const docs = (path: string): string => fileURLToPath(new URL(`../../docs/${path}`, import.meta.url));

/** The pages that are made from schemas and from the list of errors, before they are formatted. Writes nothing. */
export function generate(): { path: string; text: string }[] {
  return [
    { path: docs('reference/api.md'), text: apiPage() },
    { path: docs('errors.md'), text: errorsPage('en') },
    { path: docs('errors.zh.md'), text: errorsPage('zh') },
  ];
}

if (import.meta.main) {
  // prettier is for development alone, and this file too.
  const { format, resolveConfig } = await import('prettier');
  for (const { path, text } of generate()) {
    await writeFile(path, await format(text, { ...(await resolveConfig(path)), parser: 'markdown' }));
    process.stdout.write(`wrote ${path}\n`);
  }
}
