import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { RequestError } from '../../foundation/errors.ts';
import { samples } from '../../test/support/pixels.ts';
import { type InputFormat, inputFormats, probeImage } from './probe.ts';
import { frameCountOfGif, sniff } from './sniff.ts';

const MAX_PIXELS = 1_000_000;

function codeOf(bytes: Uint8Array): string {
  try {
    probeImage(bytes, MAX_PIXELS);
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error.code;
  }
}

async function encoded(width: number, height: number, format: InputFormat): Promise<Buffer> {
  return sharp(samples(width * height * 3), { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

const FORMATS = inputFormats;

describe('probing a picture', () => {
  it('reads format and size of what sharp writes', async () => {
    for (const format of FORMATS) {
      const probe = probeImage(await encoded(37, 21, format), MAX_PIXELS);
      assert.deepEqual(probe, { format, width: 37, height: 21, animated: false });
    }
  });

  it('reads every kind of WebP and a progressive JPEG with metadata before its frame', async () => {
    const picture = sharp(samples(37 * 21 * 4), { raw: { width: 37, height: 21, channels: 4 } });
    const kinds = [
      await picture.clone().webp({ lossless: true }).toBuffer(),
      await picture.clone().webp().toBuffer(),
      await picture.clone().removeAlpha().webp().toBuffer(),
      await picture
        .clone()
        .removeAlpha()
        .withMetadata({ orientation: 6 })
        .jpeg({ progressive: true })
        .toBuffer(),
    ];
    for (const bytes of kinds) {
      const { width, height } = probeImage(bytes, MAX_PIXELS);
      assert.deepEqual([width, height], [37, 21]);
    }
  });

  it('refuses more pixels than allowed by the header alone', async () => {
    const png = await encoded(8, 8, 'png');
    png.writeUInt32BE(30_000, 16);
    png.writeUInt32BE(30_000, 20);
    assert.equal(codeOf(png), 'image_too_large');
  });

  it('refuses a side that is too long, however few pixels there are', async () => {
    const png = await encoded(8, 8, 'png');
    png.writeUInt32BE(65_536, 16);
    png.writeUInt32BE(1, 20);
    assert.equal(codeOf(png), 'image_too_large');
  });

  it('sees an animated PNG', async () => {
    const png = await encoded(8, 8, 'png');
    const control = Buffer.alloc(20);
    control.writeUInt32BE(8, 0);
    control.write('acTL', 4, 'latin1');
    assert.equal(codeOf(Buffer.concat([png.subarray(0, 33), control, png.subarray(33)])), 'image_animated');
  });

  it('counts the frames of a GIF', async () => {
    const data = samples(3 * 8 * 8 * 3);
    const gif = await sharp(data, { raw: { width: 8, height: 24, channels: 3, pageHeight: 8 } })
      .gif()
      .toBuffer();
    assert.equal(frameCountOfGif(gif, 10), 3);
    assert.equal(frameCountOfGif(gif, 2), 2);
  });

  it('names what it is instead', () => {
    assert.equal(
      sniff(Buffer.from('\uFEFF  <?xml version="1.0"?><svg viewBox="0 0 1 1">')),
      'an SVG drawing',
    );
    assert.equal(sniff(Buffer.from('%PDF-1.7')), 'a PDF document');
    assert.equal(sniff(Buffer.from('{"a":1}')), 'text');
    assert.equal(sniff(Buffer.from([1, 2, 3])), 'not a picture');
  });

  it('answers any bytes with a code or a size, and never fails otherwise', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => typeof codeOf(bytes) === 'string'));
  });

  it('answers any change and any cut of a real picture likewise', async () => {
    const pictures = await Promise.all(FORMATS.map(async (format) => encoded(16, 16, format)));
    const change = fc.record({ at: fc.nat(60), to: fc.nat(255), length: fc.nat(400) });
    fc.assert(
      fc.property(fc.constantFrom(...pictures), change, (picture, { at, to, length }) => {
        const bytes = Buffer.from(picture.subarray(0, length));
        if (at < bytes.length) bytes[at] = to;
        return typeof codeOf(bytes) === 'string';
      }),
      { numRuns: 500 },
    );
  });
});
