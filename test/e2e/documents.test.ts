import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { z } from 'zod';
import { untilKeyWorks } from '../../standalone/processes.ts';
import { checkout, shellEnvironment } from '../support/checkout.ts';
import { type GradioApp, startGradioApp } from '../support/gradio.ts';
import { type Product, startProduct } from '../support/product.ts';

const run = promisify(execFile);
const LANGUAGES = { English: '', Chinese: '.zh' } as const;

let app: GradioApp;
let product: Product;

async function codeBlocks(path: string, language: string): Promise<string[]> {
  const text = await readFile(path, 'utf8');
  const blocks = text.matchAll(new RegExp('^ *```' + language + '\\n([^]*?)^ *```$', 'gm'));
  return Array.from(blocks, ([, code = '']) => code);
}

before(async () => {
  app = await startGradioApp({ rootPath: '/s/demo/studio' });
  const [service = ''] = await codeBlocks('docs/guides/gradio.md', 'yaml');
  assert.match(service, /localURL: http:\/\/127\.0\.0\.1:7861/);
  product = await startProduct({
    paths: ['examples', 'models'],
    objects: () =>
      Promise.resolve([service.replace('http://127.0.0.1:7861', app.url).replace(/^ {3}/gm, '')]),
  });
});

after(async () => {
  await product.stop();
  await app.stop();
});

describe('the documents', () => {
  for (const [language, suffix] of Object.entries(LANGUAGES))
    it(`in ${language} have commands that work as they stand`, async () => {
      const blocks = await codeBlocks(`README${suffix}.md`, 'bash');
      assert.equal(blocks.length, 3);
      try {
        for (const block of blocks) {
          const environment = { IMAGEPLANE_URL: product.url, IMAGEPLANE_KEY: product.key };
          const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', block], {
            cwd: checkout,
            env: { ...shellEnvironment(), ...environment },
          });
          if (block.includes('/api/v1/usage')) assert.match(stdout, /"requests":2/);
          if (block.includes('/api/v1/keys')) assert.match(stdout, /"key":"ipk_/);
        }
        const transparent = await sharp(`${checkout}/cutout.png`).stats();
        assert.equal(transparent.isOpaque, false);
        const coloured = sharp(`${checkout}/cutout.webp`);
        assert.equal((await coloured.metadata()).format, 'webp');
        assert.equal((await coloured.stats()).isOpaque, true);
      } finally {
        for (const name of ['cutout.png', 'cutout.webp']) await rm(`${checkout}/${name}`, { force: true });
        // Both languages start from the same count.
        await product.database.query('TRUNCATE imageplane.usage_daily');
      }
    });

  it('cut out a photo by a signed request, in four languages', async () => {
    const [makeApplication = '', send = ''] = await codeBlocks('examples/clients/README.md', 'bash');
    const bash = (line: string, environment: Record<string, string>): Promise<{ stdout: string }> =>
      run('bash', ['-euo', 'pipefail', '-c', line], {
        cwd: checkout,
        env: { ...shellEnvironment(), ...environment },
      });
    const { stdout } = await bash(makeApplication, {
      IMAGEPLANE_URL: product.url,
      IMAGEPLANE_KEY: product.key,
    });
    const application = z
      .object({ keyId: z.string(), apiKey: z.string(), signingSecret: z.string() })
      .parse(JSON.parse(stdout));
    await untilKeyWorks(product.url, application.apiKey, AbortSignal.timeout(10_000));
    const lines = send.trimEnd().split('\n');
    assert.equal(lines.length, 4);
    for (const line of lines)
      try {
        await bash(line, {
          IMAGEPLANE_SERVICE_URL: `${product.url}/s/demo/cutout/v1/cutouts`,
          IMAGEPLANE_KEY_ID: application.keyId,
          IMAGEPLANE_SECRET: application.signingSecret,
        });
        const cutout = sharp(`${checkout}/cutout.png`);
        assert.equal((await cutout.metadata()).format, 'png', line);
        assert.equal((await cutout.stats()).isOpaque, false, line);
      } finally {
        await rm(`${checkout}/cutout.png`, { force: true });
      }
  });

  for (const [language, suffix] of Object.entries(LANGUAGES))
    it(`about the inference server in ${language} have requests that work as they stand`, async () => {
      const files = ['cutout.png', 'cutout.avif', 'cutout.webp', 'edit.json', 'job.json'];
      try {
        const printed: string[] = [];
        for (const block of await codeBlocks(`docs/inference${suffix}.md`, 'bash')) {
          const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', block], {
            cwd: checkout,
            env: { ...shellEnvironment(), IMAGEPLANE_URL: product.url, IMAGEPLANE_KEY: product.key },
          });
          printed.push(stdout);
        }
        assert.equal(printed.length, 5);
        assert.equal((await sharp(`${checkout}/cutout.png`).stats()).isOpaque, true);
        const edit = JSON.parse(await readFile(`${checkout}/edit.json`, 'utf8')) as {
          data: { b64_json: string }[];
        };
        const edited = sharp(Buffer.from(edit.data[0]?.b64_json ?? '', 'base64'));
        assert.equal((await edited.stats()).isOpaque, false);
        assert.match((await sharp(`${checkout}/cutout.avif`).metadata()).format, /avif|heif/);
        assert.match(printed[3] ?? '', /"state":"succeeded"/);
        assert.equal((await sharp(`${checkout}/cutout.webp`).metadata()).format, 'webp');
        assert.match(printed[4] ?? '', /"platform":"onnx_onnxv1".*"datatype":"FP32"/);
      } finally {
        for (const name of files) await rm(`${checkout}/${name}`, { force: true });
        await product.database.query('TRUNCATE imageplane.usage_daily');
      }
    });

  it('put a Gradio page behind the gateway as the guide says', async () => {
    const page = await fetch(`${product.url}/s/demo/studio/`, {
      headers: { authorization: `Bearer ${product.key}` },
    });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /gradio/i);
  });

  it('say the same in both languages', async () => {
    for (const path of ['README', 'docs/guides/gradio', 'docs/inference', 'examples/clients/README']) {
      const [english, chinese] = await Promise.all([
        readFile(`${path}.md`, 'utf8'),
        readFile(`${path}.zh.md`, 'utf8'),
      ]);
      const shape = (text: string): string[] => text.match(/^(#+ |```\w*|\d+\. |\| )/gm) ?? [];
      assert.deepEqual(shape(chinese), shape(english), path);
      for (const language of ['bash', 'yaml', 'sh'])
        assert.deepEqual(
          await codeBlocks(`${path}.zh.md`, language),
          await codeBlocks(`${path}.md`, language),
          path,
        );
    }
  });
});
