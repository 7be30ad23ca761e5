import assert from 'node:assert/strict';
import sharp from 'sharp';

export interface Difference {
  mean: number;
  max: number;
}

async function pixels(png: Buffer | string): Promise<{ data: Buffer; channels: number; width: number }> {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  return { data, channels: info.channels, width: info.width };
}

/** Between two pictures of one size, over the channels that both have. */
export async function difference(given: Buffer, reference: string): Promise<Difference> {
  const [ours, theirs] = await Promise.all([pixels(given), pixels(reference)]);
  assert.equal(ours.width, theirs.width);
  assert.equal(ours.data.length / ours.channels, theirs.data.length / theirs.channels);
  let sum = 0;
  let max = 0;
  const channels = Math.min(ours.channels, theirs.channels);
  const count = ours.data.length / ours.channels;
  for (let pixel = 0; pixel < count; pixel++)
    for (let channel = 0; channel < channels; channel++) {
      const a = ours.data[pixel * ours.channels + channel] ?? 0;
      const b = theirs.data[pixel * theirs.channels + channel] ?? 0;
      sum += Math.abs(a - b);
      max = Math.max(max, Math.abs(a - b));
    }
  return { mean: sum / (count * channels), max };
}

/** The promise of parity: 1/255 on average, 8/255 anywhere. */
export function assertClose(what: string, { mean, max }: Difference): void {
  console.log(`${what}: differs from rembg's by ${mean.toFixed(4)}/255 on average, ${max}/255 at most`);
  assert.ok(mean <= 1, `${what}: ${mean}/255 on average`);
  assert.ok(max <= 8, `${what}: ${max}/255 at most`);
}
