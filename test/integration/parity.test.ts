import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { assertClose, difference } from '../support/difference.ts';
import {
  formWith,
  type Inference,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { catalogueModels } from '../support/models.ts';

const MODELS = { medium: 'isnet-general-fp16', small: 'isnet-general-int8' } as const;
const PHOTOS = {
  astronaut: 'examples/photos/astronaut.jpg',
  'astronaut-turned': 'test/parity/photos/astronaut-turned.jpg',
  'astronaut-alpha': 'test/parity/photos/astronaut-alpha.png',
} as const;

let intake: Intake;
let server: Inference;

before(async () => {
  intake = await startIntake();
  server = await startInference({
    models: {},
    intakeUrl: intake.url,
    overrides: { models: await catalogueModels(...Object.values(MODELS)) },
  });
  await untilReady(server);
});

after(async () => {
  await server.stop();
  await intake.close();
});

async function ask(photo: string, fields: Record<string, string>): Promise<Buffer> {
  const response = await server.send('/api/remove', { body: formWith(await readFile(photo), fields) });
  assert.equal(response.status, 200, response.ok ? '' : await response.text());
  return Buffer.from(await response.arrayBuffer());
}

describe('with the same weights and photo', () => {
  for (const [size, model] of Object.entries(MODELS))
    for (const [name, photo] of Object.entries(PHOTOS))
      it(`the mask of ${name} by ${model} is rembg's, within 1/255 on average and 8/255 anywhere`, async () => {
        const mask = await ask(photo, { om: 'true', model });
        assertClose(
          `mask ${name} ${size}`,
          await difference(mask, `test/parity/reference/${name}.${size}.mask.png`),
        );
      });

  for (const [name, photo] of Object.entries(PHOTOS))
    it(`the cut-out of ${name} is rembg's, within the same bounds`, async () => {
      const cutout = await ask(photo, { model: MODELS.medium });
      assertClose(
        `cut-out ${name}`,
        await difference(cutout, `test/parity/reference/${name}.medium.cutout.png`),
      );
    });
});
