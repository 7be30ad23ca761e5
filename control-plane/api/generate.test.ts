import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { format, resolveConfig } from 'prettier';
import { generate } from './generate.ts';

describe('the reference of the API and of errors', () => {
  it('is what the schemas and the list of errors say now; else run `npm run generate`', async () => {
    for (const { path, text } of generate()) {
      const page = await format(text, { ...(await resolveConfig(path)), parser: 'markdown' });
      assert.equal(await readFile(path, 'utf8'), page, `${path} is stale: run npm run generate`);
    }
  });
});
