import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { createWatermark } from '../../inference-server/imaging/watermark/watermark.ts';
import { decode } from '../../inference-server/imaging/decode.ts';
import {
  errorOf,
  type Inference,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { until } from '../support/program.ts';

const KEY = 'a key of the tests, 32 bytes long';
const models = { tiny: { width: 32, height: 32 } };
const headers = { 'content-type': 'image/jpeg' };
let folder: string;
let intake: Intake;
let server: Inference;
let photo: Uint8Array<ArrayBuffer>;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imageplane-marks-'));
  await writeFile(join(folder, 'key'), KEY, { mode: 0o600 });
  photo = Uint8Array.from(await readFile('examples/photos/astronaut.jpg'));
  intake = await startIntake();
  server = await startInference({
    models,
    intakeUrl: intake.url,
    overrides: {
      assertion: { mode: 'off' },
      marks: {
        visible: { source: { kind: 'text', text: '样张' }, position: 'centre', opacity: 1 },
        watermark: { keyFile: join(folder, 'key'), owner: 'tenant:acme' },
      },
    },
  });
  await untilReady(server);
});

after(async () => {
  await server.stop();
  await intake.close();
  await rm(folder, { recursive: true });
});

describe('a service that marks what it gives out', () => {
  it('puts both marks into a cut-out of every format, the key never being in its configuration or log', async () => {
    const watermark = createWatermark(Buffer.from(KEY));
    for (const format of ['png', 'jpeg', 'webp', 'avif']) {
      // Behind the cut-out stands a colour, so that enough of it is opaque.
      const target = `/v1/cutouts?format=${format}&background=%23406080`;
      const response = await server.send(target, { body: photo, headers });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), `image/${format}`);
      const bytes = Buffer.from(await response.arrayBuffer());
      assert.equal((await sharp(bytes).metadata()).format.replace('heif', 'avif'), format);
      const picture = await decode(bytes, 'srgb', 1_000_000);
      assert.equal(watermark.read(picture), watermark.tagOf('tenant:acme'), format);
    }
    assert.doesNotMatch(server.program.log(), /a key of the tests/);
  });

  it('leaves masks as they are, and refuses a picture that cannot carry the mark', async () => {
    const mask = await server.send('/v1/cutouts?output=mask', { body: photo, headers });
    assert.equal(mask.status, 200);
    const small = await sharp(photo).resize(100, 100).jpeg().toBuffer();
    const error = await errorOf(await server.send('/v1/cutouts', { body: Uint8Array.from(small), headers }));
    assert.deepEqual([error.status, error.code], [422, 'watermark_impossible']);
  });

  it('refuses a side that the format cannot hold before the model runs, and names what can', async () => {
    const wide = await sharp({ create: { width: 17_000, height: 8, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    for (const format of ['webp', 'avif']) {
      const body = Uint8Array.from(wide);
      const error = await errorOf(await server.send(`/v1/cutouts?format=${format}`, { body, headers }));
      assert.deepEqual([error.status, error.code], [422, 'result_too_large']);
      assert.match(error.message, /17000 × 8.*png/);
    }
  });

  it('serves nothing unmarked when its key cannot be read', async () => {
    const other = await startInference({
      models,
      intakeUrl: intake.url,
      overrides: { marks: { watermark: { keyFile: join(folder, 'missing'), owner: 'a' } } },
    });
    try {
      await until('it says why', async () =>
        (await other.ready()).body.problems.some(({ message }) => /marks of the configuration/.test(message)),
      );
      assert.notEqual((await other.ready()).status, 200);
    } finally {
      await other.stop();
    }
  });
});
