import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { described } from './openapi.ts';

const PAGES = ['identity', 'access', 'limits', 'sign-in'].flatMap((name) => [`${name}.md`, `${name}.zh.md`]);
const page = (name: string): Promise<string> =>
  readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

const operation = (method: string, path: string) =>
  described().find(
    (one) =>
      one.method === method.toLowerCase() &&
      new RegExp(`^${one.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path.split('?')[0] ?? ''),
  );

/** Words in capitals stand for values in the tables; a quoted one is one already. */
const valuesIn = (text: string): unknown =>
  JSON.parse(text.replace(/: ([A-Z]+)(?=[,}])/g, ': "$1"').replaceAll('\\|', '|')) as unknown;

describe('the documents about the API', () => {
  for (const name of PAGES)
    it(`${name} names only operations that there are`, async () => {
      const text = await page(name);
      const named = text.matchAll(/`(GET|POST|PUT|PATCH|DELETE) (\/(?:api\/v1|auth\/token)[^`\s]*)/g);
      for (const [all, method = '', path = ''] of named)
        assert.ok(operation(method, path) !== undefined, `${name}: ${all}`);
    });

  it('show requests that are taken as they stand', async () => {
    let examples = 0;
    const take = (name: string, method: string, path: string, body: string): void => {
      const taken = operation(method, path)?.body?.safeParse(valuesIn(body));
      assert.ok(taken?.success, `${name}: ${method} ${path} ${body}\n${String(taken?.error)}`);
      examples++;
    };
    for (const name of PAGES) {
      const text = await page(name);
      // A block that begins with the request.
      for (const [, method = '', path = '', body = ''] of text.matchAll(
        /^```\n(POST|PUT|PATCH) (\/api\/v1\S+)\n(\{[^]*?\n\})/gm,
      ))
        take(name, method, path, body);
      // A row of a table with a body in braces.
      for (const [, method = '', path = '', body = ''] of text.matchAll(
        /^\| `(POST|PUT|PATCH) (\/api\/v1\S+)` +\| `(\{[^`]*\})`/gm,
      ))
        take(name, method, path, body);
      // The application of identity.md.
      for (const [, body = ''] of text.matchAll(/```json\n(\{\n {2}"name"[^]*?\n\})/g))
        take(name, 'POST', '/api/v1/applications', body);
    }
    assert.ok(examples >= 12, String(examples));
  });
});
