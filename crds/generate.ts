import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCrds } from './crd.ts';
import { generateReference } from './generate-reference.ts';
import { generateTypes } from './generate-types.ts';

interface Generated {
  path: string;
  text: string;
}

/** What is made from the definitions: the TypeScript types and the reference page. Writes nothing. */
export async function generate(): Promise<Generated[]> {
  const crds = await readCrds();
  const types = fileURLToPath(new URL('generated.ts', import.meta.url));
  const reference = fileURLToPath(new URL('../docs/reference/crds.md', import.meta.url));
  return [
    { path: types, text: await generateTypes(crds) },
    { path: reference, text: await generateReference(crds, reference) },
  ];
}

if (import.meta.main) {
  for (const { path, text } of await generate()) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    console.log(`wrote ${path}`);
  }
}
