import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { readCrds } from './crd.ts';
import { generate } from './generate.ts';
import { generateTypes } from './generate-types.ts';

describe('what is generated', () => {
  it('is what the definitions say now; else run `npm run generate`', async () => {
    const generated = await generate();
    assert.equal(generated.length, 2);
    for (const { path, text } of generated)
      assert.equal(await readFile(path, 'utf8'), text, `${path} is stale: run npm run generate`);
  });

  it('is refused when ImageModel and ClusterImageModel drift apart', async () => {
    const crds = structuredClone(await readCrds());
    const spec = crds.ImageModel.spec.versions[0].schema.openAPIV3Schema.properties?.['spec'];
    assert.ok(spec?.properties);
    spec.properties['extra'] = { type: 'string' };
    await assert.rejects(generateTypes(crds), /spec of ImageModel and of ClusterImageModel differ/);
  });
});
