import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { blobPath } from '../../control-plane/model-store/blobs.ts';
import { readCrds } from '../../crds/crd.ts';
import { loadObjects } from '../../crds/load.ts';
import { createValidator, type Validate } from '../../crds/validation.ts';
import { readManifest, withDigest } from './manifest.ts';
import { type Accepted, pin, type Pinned } from './pin.ts';

const WEIGHTS = Buffer.from('weights');
const SHA256 = createHash('sha256').update(WEIGHTS).digest('hex');
const MD5 = createHash('md5').update(WEIGHTS).digest('hex');
const NOTHING: Accepted = { digests: [], licence: undefined };
const ACKNOWLEDGED = 'commercialUse: false\n    acknowledgementRequired: true';

let validate: Validate;
let folder: string;
let store: string;
let path: string;
let lines: string[] = [];

const terminal = {
  line: (text: string): void => void lines.push(text),
  progress: (): void => undefined,
  endProgress: (): void => undefined,
  debug: (): void => undefined,
};

before(async () => {
  validate = createValidator(await readCrds());
  folder = await mkdtemp(join(tmpdir(), 'imageplane-models-'));
  store = join(folder, 'store');
  path = join(folder, 'model.yaml');
  await writeFile(join(folder, 'weights.onnx'), WEIGHTS);
});

after(() => rm(folder, { recursive: true, force: true }));

function manifest(change: (text: string) => string = (text) => text): string {
  return change(`# About the model.
apiVersion: imageplane.dev/v1alpha1
kind: ClusterImageModel
metadata:
  name: toy
  annotations:
    models.imageplane.dev/published-digest: md5:${MD5}
spec:
  task: background-removal
  family: u2net
  files:
    - name: model.onnx # the graph
      source: file:${join(folder, 'weights.onnx')} # where it is

  license:
    spdx: MIT
    commercialUse: true
    source: Said by the test
  precision: fp32
  pipeline: { size: { width: 64, height: 64 }, mean: [0, 0, 0], std: [1, 1, 1] }
`);
}

async function pinned(
  text: string,
  options: { accepted?: Accepted; answer?: string } = {},
): Promise<{ result: Pinned; text: string }> {
  await writeFile(path, text);
  lines = [];
  const { answer, accepted = NOTHING } = options;
  const result = await pin(readManifest(path, text, validate), {
    store,
    terminal,
    accepted,
    ask: answer === undefined ? undefined : () => Promise.resolve(answer),
    signal: new AbortController().signal,
    now: () => 0,
  });
  return { result, text: await readFile(path, 'utf8') };
}

describe('models pin', () => {
  it('records digest and size where they belong, and changes nothing else', async () => {
    const { result, text } = await pinned(manifest(), { answer: SHA256.slice(0, 8) });
    assert.equal(result, 'pinned');
    const added = `      sha256: ${SHA256}\n      size: 7\n`;
    assert.equal(text, manifest().replace('# where it is\n', `# where it is\n${added}`));
    assert.deepEqual(await readFile(blobPath(store, SHA256)), WEIGHTS);
    const { clusterImageModels, unpinnedModels } = await loadObjects([path]);
    assert.deepEqual([clusterImageModels.length, unpinnedModels.length], [1, 0]);
    assert.equal((await pinned(text)).result, 'pinned already');
    assert.deepEqual(await readdir(join(store, 'tmp')), []);
  });

  it('shows licence, size and digest before it asks', async () => {
    await pinned(manifest(), { answer: 'no' });
    const shown = lines.join('\n');
    assert.match(shown, /licence +MIT, commercial use allowed\n +Said by the test/);
    assert.match(shown, new RegExp(`size +7 bytes\n +sha256 +${SHA256}\n +published +md5:${MD5}: the same`));
  });

  it('records nothing on another answer, without one, and for another digest', async () => {
    for (const options of [
      { answer: '' },
      { answer: 'yes' },
      {},
      { accepted: { digests: ['0'.repeat(64)], licence: undefined } },
    ]) {
      const { result, text } = await pinned(manifest(), options);
      assert.deepEqual([result, text], ['refused', manifest()]);
    }
  });

  it('takes the digest given with it, and the licence where that must be accepted', async () => {
    const digests = [SHA256];
    assert.equal((await pinned(manifest(), { accepted: { digests, licence: undefined } })).result, 'pinned');
    const bound = manifest((text) => text.replace('commercialUse: true', ACKNOWLEDGED));
    assert.equal((await pinned(bound, { accepted: { digests, licence: undefined } })).result, 'refused');
    assert.match(lines.join('\n'), /NOT for commercial use/);
    assert.equal((await pinned(bound, { accepted: { digests, licence: 'MIT' } })).result, 'pinned');
  });

  it('refuses what is not the file that its publisher states, without asking', async () => {
    const other = manifest((text) => text.replace(MD5, '0'.repeat(32)));
    const { result, text } = await pinned(other, { answer: SHA256.slice(0, 8) });
    assert.deepEqual([result, text], ['refused', other]);
    assert.match(lines.join('\n'), /NOT this file/);
  });

  it('names the form that it needs of a file that it cannot write to', () => {
    const flow = manifest((text) =>
      text.replace(/- name: model.onnx[^\n]*\n +source: (\S+)[^\n]*/, '- { name: model.onnx, source: $1 }'),
    );
    assert.throws(() => withDigest(flow, 'model.onnx', { sha256: SHA256, size: 7 }), /lines of its own/);
  });
});

describe('the command', () => {
  const run = (...args: string[]): Promise<{ code: unknown; output: string }> =>
    new Promise((resolve) => {
      const main = fileURLToPath(new URL('./main.ts', import.meta.url));
      execFile(process.execPath, [main, ...args, '--cache-dir', folder], (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, output: stdout + stderr });
      });
    });

  it('lists the catalogue, and says of each whether it is pinned', async () => {
    const { code, output } = await run('list');
    assert.equal(code, 0);
    assert.match(output, /^u2net-cloth-seg +u2net +fp32 +MIT +yes +\? +not pinned$/m);
    assert.match(output, /^isnet-general-fp16 .* 88\.2 MB +not fetched$/m);
    assert.match(output, /^bria-rmbg .* NO /m);
  });

  it('ends with 0, 1 or 2 by how it went, and says what to do', async () => {
    await writeFile(path, manifest());
    const asked = await run('pin', path);
    assert.equal(asked.code, 1);
    assert.match(asked.output, new RegExp(`--accept ${SHA256} --licence MIT`));
    assert.equal((await run('pin', path, '--accept', SHA256)).code, 0);
    assert.deepEqual(await run('verify', path), { code: 0, output: 'toy/model.onnx: intact\n' });
    await writeFile(blobPath(join(folder, 'models'), SHA256), 'weighty');
    assert.deepEqual(await run('verify', path), { code: 1, output: 'toy/model.onnx: damaged\n' });
    for (const wrong of [
      ['pin'],
      ['pin', '/nowhere.yaml'],
      ['lis'],
      ['pin', path, '--accept', 'yes'],
      ['--x'],
    ])
      assert.equal((await run(...wrong)).code, 2, wrong.join(' '));
    assert.equal((await run('--help')).code, 0);
  });
});
