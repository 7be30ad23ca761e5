import { readFile, writeFile } from 'node:fs/promises';
import wabt from 'wabt';

/** `node inference-server/imaging/simd/generate.ts`: makes resample.generated.ts of resample.wat. */
export async function generated(): Promise<string> {
  const text = await readFile(new URL('resample.wat', import.meta.url), 'utf8');
  const module = (await wabt()).parseWat('resample.wat', text, { simd: true });
  const { buffer } = module.toBinary({});
  module.destroy();
  const base64 = Buffer.from(buffer).toString('base64');
  return `/** Generated from resample.wat by generate.ts. */\nexport const RESAMPLE_WASM =\n  '${base64}';\n`;
}

if (import.meta.main) await writeFile(new URL('resample.generated.ts', import.meta.url), await generated());
