import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCrds } from '../../crds/crd.ts';
import { createValidator } from '../../crds/validation.ts';
import { type Manifest, readManifest } from '../../models/tool/manifest.ts';
import { assertClose, difference } from '../support/difference.ts';
import { formWith, type Intake, startInference, startIntake, untilReady } from '../support/inference.ts';
import { pythonEnvironment } from '../support/python.ts';
import { segmentationGraph } from '../support/segmentation-graph.ts';

/* rembg's own code and this server on the same graphs, for every model of the catalogue whose weights cannot be had here. */

const PHOTO = 'test/parity/photos/astronaut-turned.jpg';
const PLAIN = ['u2net-human-seg', 'silueta', 'u2netp', 'isnet-general-use', 'isnet-anime', 'bria-rmbg'];
const BIREFNETS = ['general', 'general-lite', 'portrait', 'dis', 'hrsod', 'cod', 'massive'];
const CLASSES = 4;

interface Case {
  /** Of `rembg.remove`. */
  theirs: Record<string, unknown>;
  /** Of `POST /api/remove`, in the form and in the query. */
  form: Record<string, string>;
  query?: string;
}

const BASIC: Record<string, Case> = {
  mask: { theirs: { only_mask: true }, form: { om: 'true' } },
  cutout: { theirs: {}, form: {} },
};
const ALL: Record<string, Case> = {
  ...BASIC,
  smooth: { theirs: { post_process_mask: true }, form: { ppm: 'true' } },
  coloured: { theirs: { bgcolor: [10, 120, 200, 180] }, form: {}, query: '?bgc=10,120,200,180' },
  replaced: { theirs: { putalpha: true }, form: {}, query: extras({ putalpha: true }) },
  decontaminated: { theirs: { decontaminate: true }, form: { dc: 'true' } },
  matted: { theirs: { alpha_matting: true }, form: { a: 'true' } },
  'matted-tightly': {
    theirs: {
      alpha_matting: true,
      alpha_matting_foreground_threshold: 200,
      alpha_matting_background_threshold: 60,
      alpha_matting_erode_size: 3,
    },
    form: { a: 'true', af: '200', ab: '60', ae: '3' },
  },
  'matted-widely': {
    theirs: {
      alpha_matting: true,
      alpha_matting_foreground_threshold: 150,
      alpha_matting_background_threshold: 90,
      alpha_matting_erode_size: 10,
    },
    form: { a: 'true', af: '150', ab: '90', ae: '10' },
  },
};
const CLOTHES: Record<string, Case> = {
  ...BASIC,
  upper: { theirs: { cc: 'upper' }, form: {}, query: extras({ cc: 'upper' }) },
  attire: { theirs: { cloth_category: 'attire' }, form: {}, query: extras({ cloth_category: 'attire' }) },
  'full-mask': {
    theirs: { cc: 'full', only_mask: true },
    form: { om: 'true' },
    query: extras({ cc: 'full' }),
  },
  replaced: { theirs: { putalpha: true }, form: {}, query: extras({ putalpha: true }) },
};

const GROUPS: Record<string, { models: string[]; cases: Record<string, Case> }> = {
  whole: { models: ['u2net'], cases: ALL },
  clothes: { models: ['u2net-cloth-seg'], cases: CLOTHES },
  plain: { models: [...PLAIN, ...BIREFNETS.map((name) => `birefnet-${name}`)], cases: BASIC },
};

let folder: string;
let intake: Intake;
const manifests = new Map<string, Manifest>();
const graphs = new Map<string, string>();

function extras(value: unknown): string {
  return `?extras=${encodeURIComponent(JSON.stringify(value))}`;
}

const rembgName = (model: string): string =>
  model.startsWith('u2net-') ? model.replaceAll('-', '_') : model;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-families-'));
  intake = await startIntake();
  const validate = createValidator(await readCrds());
  for (const { models, cases } of Object.values(GROUPS)) {
    for (const name of models) {
      const path = `models/${name}.yaml`;
      const manifest = readManifest(path, await readFile(path, 'utf8'), validate);
      manifests.set(name, manifest);
      const { size, classes } = manifest.spec.pipeline ?? assert.fail(`${name} has no pipeline`);
      const graph = segmentationGraph({
        size: size.width,
        channels: classes === undefined ? 1 : CLASSES,
        bright: cases === ALL,
      });
      graphs.set(name, join(folder, `${name}.onnx`));
      await writeFile(join(folder, `${name}.onnx`), graph);
    }
    await runRembg(models, cases);
  }
});

after(async () => {
  await intake.close();
  await rm(folder, { recursive: true, force: true });
});

async function runRembg(models: string[], cases: Record<string, Case>): Promise<void> {
  const environment = await pythonEnvironment('rembg');
  const script = fileURLToPath(new URL('../parity/run_families.py', import.meta.url));
  const child = spawn(environment.python, [script], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, ...environment.variables },
  });
  child.stdin.end(
    JSON.stringify({
      graphs: Object.fromEntries(models.map((name) => [rembgName(name), graphs.get(name)])),
      photo: PHOTO,
      output: folder,
      cases: Object.fromEntries(Object.entries(cases).map(([name, { theirs }]) => [name, theirs])),
    }),
  );
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, 'rembg failed; see its message above');
}

async function configOf(name: string): Promise<Record<string, unknown>> {
  const path = graphs.get(name) ?? '';
  const bytes = await readFile(path);
  const { family, task, pipeline } = manifests.get(name)?.spec ?? assert.fail(name);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name, family, task, pipeline, files: [{ name: 'model.onnx', path, sha256, size: bytes.length }] };
}

describe('the cases', () => {
  it('of alpha matting are really matted', async () => {
    const ours = await readFile(join(folder, 'u2net.decontaminated.png'));
    for (const kind of ['matted-tightly', 'matted-widely'])
      assert.ok((await difference(ours, join(folder, `u2net.${kind}.png`))).max > 20, kind);
  });
});

describe('with the same graph and photo, rembg and this server agree', () => {
  for (const { models, cases } of Object.values(GROUPS))
    for (const name of models)
      it(`on ${name}: ${Object.keys(cases).join(', ')}`, async () => {
        const server = await startInference({
          models: {},
          intakeUrl: intake.url,
          overrides: { models: [await configOf(name)] },
        });
        try {
          await untilReady(server);
          for (const [kind, { form, query = '' }] of Object.entries(cases)) {
            const body = formWith(await readFile(PHOTO), { model: rembgName(name), ...form });
            const response = await server.send(`/api/remove${query}`, { body });
            assert.equal(response.status, 200, response.ok ? '' : await response.text());
            const ours = Buffer.from(await response.arrayBuffer());
            assertClose(
              `${name} ${kind}`,
              await difference(ours, join(folder, `${rembgName(name)}.${kind}.png`)),
            );
          }
        } finally {
          await server.stop();
        }
      });
});
