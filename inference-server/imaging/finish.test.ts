import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { RequestError } from '../../foundation/errors.ts';
import { samples } from '../../test/support/pixels.ts';
import { decode } from './decode.ts';
import { finish } from './finish.ts';
import { prepareMark } from './mark/mark.ts';
import type { Raster } from './resample.ts';
import { createWatermark } from './watermark/watermark.ts';

const watermark = createWatermark(Buffer.from('a key of the tests, 32 bytes long'));
const photo = readFileSync(new URL('../../examples/photos/astronaut.jpg', import.meta.url));

describe('finishing a picture', () => {
  it('marks it for the eye first, so that the invisible mark is still read from every format', async () => {
    const mark = await prepareMark({
      source: { kind: 'text', text: '样张 sample', colour: [255, 255, 255] },
      share: 0.4,
      position: 'tiled',
      opacity: 0.5,
    });
    for (const format of ['png', 'jpeg', 'webp', 'avif'] as const) {
      const picture = await decode(photo, 'srgb', 1_000_000);
      const bytes = await finish(picture, { format, mark, watermark: { watermark, owner: 'tenant:acme' } });
      const read = watermark.read(await decode(bytes, 'srgb', 1_000_000));
      assert.equal(read, watermark.tagOf('tenant:acme'), format);
    }
  });

  it('refuses what cannot carry the mark that was asked for, rather than giving it out without', async () => {
    const small: Raster = { data: samples(100 * 100 * 3), width: 100, height: 100, channels: 3 };
    await assert.rejects(finish(small, { format: 'png', watermark: { watermark, owner: 'a' } }), (error) => {
      assert.ok(error instanceof RequestError);
      assert.deepEqual([error.status, error.code], [422, 'watermark_impossible']);
      return true;
    });
  });
});
