import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { samples, sha256 } from '../../test/support/pixels.ts';
import { cutOut, putBehind } from './composite.ts';
import type { Raster } from './resample.ts';

const width = 64;
const height = 48;
const noise = samples(width * height * 5);
const rgba: Raster = { data: noise.subarray(0, width * height * 4), width, height, channels: 4 };
const rgb: Raster = {
  data: rgba.data.filter((_, index) => index % 4 !== 3),
  width,
  height,
  channels: 3,
};
const mask = noise.subarray(width * height * 4);

// The hashes are of what rembg 2.0.86 with Pillow 12.3.0 makes of the same samples.
describe('the cut-out', () => {
  it('of an RGB picture is premultiplied as rembg does it', () => {
    const { data } = cutOut(rgb, mask, 'premultiplied');
    assert.equal(sha256(data), '0147bac64f270c0df5199626dd3d5aa02d5c76853c7c5c9c2048e9817a53464e');
  });

  it('of an RGBA picture multiplies its alpha by the mask, as rembg does', () => {
    const { data } = cutOut(rgba, mask, 'premultiplied');
    assert.equal(sha256(data), 'e86bef69874cf26cc326662b2b3e4645b82f809ef9748e1b2cce5b3ce341cf32');
  });

  it('with replaced alpha equals putalpha of rembg', () => {
    const { data } = cutOut(rgba, mask, 'replaced');
    assert.equal(sha256(data), '2a89b3a3f3d7bfaab86ade513b0bb46afe68bede1397f570d60b502cd230d2cc');
  });

  it('with straight alpha keeps every colour, and what was transparent stays so', () => {
    const { data } = cutOut(rgba, mask, 'straight');
    for (let pixel = 0; pixel < mask.length; pixel++) {
      assert.deepEqual(data.subarray(pixel * 4, pixel * 4 + 3), rgba.data.subarray(pixel * 4, pixel * 4 + 3));
      const alpha = data[pixel * 4 + 3] as number;
      assert.ok(alpha <= (mask[pixel] as number) && alpha <= (rgba.data[pixel * 4 + 3] as number));
    }
  });

  it('over a translucent colour equals alpha_composite of Pillow', () => {
    const cutout = cutOut(rgb, mask, 'premultiplied');
    putBehind(cutout, [200, 30, 90, 128]);
    assert.equal(sha256(cutout.data), 'a06cced1e8db99577324cfa90f7ea74a25266804b2bd2c62c2eced4098e11f2b');
  });

  it('over an opaque colour equals alpha_composite of Pillow', () => {
    const cutout = cutOut(rgba, mask, 'premultiplied');
    putBehind(cutout, [1, 2, 3, 255]);
    assert.equal(sha256(cutout.data), '0cb0611e425a60a81bf36cdb1d174f8952ebdafa5f126c3722e43065d869bf9d');
  });
});
