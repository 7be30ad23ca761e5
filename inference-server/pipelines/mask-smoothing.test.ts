import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { samples, sha256 } from '../../test/support/pixels.ts';
import { smoothMask } from './mask-smoothing.ts';

const width = 64;
const height = 48;

// The hashes are of what `post_process` of rembg 2.0.86 (scikit-image 0.26.0, SciPy 1.17.1) makes of the same masks.
describe('smoothing a mask', () => {
  it('equals rembg on noise', () => {
    const noise = samples(width * height * 5).subarray(width * height * 4);
    assert.equal(
      sha256(smoothMask(noise, width, height)),
      'e80232b4d18d0bb7e794be263ba937626f383f9917d4b8a737ba893a8f752293',
    );
  });

  it('equals rembg on ramps', () => {
    const ramp = Uint8Array.from(
      { length: width * height },
      (_, i) => ((i % width) * 4 + Math.floor(i / width) * 2) % 256,
    );
    assert.equal(
      sha256(smoothMask(ramp, width, height)),
      'db3ea08a16b9bfc8065ae7ace8f171e323a8ebcb20c566a561a1e286d81248cf',
    );
  });

  it('equals rembg where every pixel stands on the threshold itself', () => {
    const flat = new Uint8Array(width * height).fill(127);
    assert.equal(
      sha256(smoothMask(flat, width, height)),
      '1a7493ff2f2bde5f78405d46eb01abfeaea9b0a95fa5b6cec211b05faa0cf1d3',
    );
  });

  it('works on masks smaller than its filter', () => {
    assert.equal(
      sha256(smoothMask(samples(6), 3, 2)),
      'b0f66adc83641586656866813fd9dd0b8ebb63796075661ba45d1aa8089e1d44',
    );
  });
});
