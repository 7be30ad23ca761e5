import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { RequestError } from '../../foundation/errors.ts';
import { bombs, pngChunk, withChunks } from '../../test/support/bombs.ts';
import { samples } from '../../test/support/pixels.ts';
import { allowOnlyNeededLoaders, decode } from './decode.ts';
import { probeImage, refuseCostly } from './probe.ts';

const MAX_PIXELS = 50_000_000;
const all = await bombs();
const small = await sharp(samples(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } })
  .png()
  .toBuffer();
allowOnlyNeededLoaders();

function refusalOf(bytes: Uint8Array): RequestError | undefined {
  try {
    // Neither of them decodes: both are synchronous, and sharp is not.
    refuseCostly(bytes, probeImage(bytes, MAX_PIXELS));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error;
  }
}

describe('a bomb', () => {
  for (const { name, bytes, status, code } of all)
    it(`is refused before it is decoded: ${name}`, () => {
      assert.ok(bytes.length < 1_000_000);
      const refusal = refusalOf(bytes);
      assert.deepEqual([refusal?.status, refusal?.code], [status, code]);
    });

  it('of pixels that unpack to more than their header says takes no memory for it', async () => {
    const idat = deflateSync(Buffer.alloc(256 * 1024 * 1024), { level: 1 });
    const end = small.length - 12;
    const at = small.indexOf('IDAT', 0, 'latin1') - 4;
    const bytes = Buffer.concat([small.subarray(0, at), pngChunk('IDAT', idat), small.subarray(end)]);
    const before = process.memoryUsage().rss;
    const outcome = await decode(bytes, 'srgb', MAX_PIXELS).then(
      ({ width }) => width,
      (error: unknown) => error,
    );
    assert.ok(outcome === 64 || (outcome instanceof RequestError && outcome.code === 'image_damaged'));
    assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024);
  });
});

describe('what is no bomb', () => {
  it('passes: a profile and texts of ordinary size, many small pieces, a progressive JPEG', async () => {
    const text = Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), deflateSync(samples(100_000))]);
    const international = Buffer.concat([Buffer.from('Title\0\x01\0en\0\0', 'latin1'), deflateSync('words')]);
    const pieces = Array.from({ length: 2000 }, () => pngChunk('tEXt', Buffer.from('a\0b', 'latin1')));
    const png = withChunks(small, pngChunk('zTXt', text), pngChunk('iTXt', international), ...pieces);
    const jpeg = await sharp(samples(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } })
      .withIccProfile('p3')
      .jpeg({ progressive: true })
      .toBuffer();
    for (const bytes of [png, jpeg]) {
      assert.equal(refusalOf(bytes), undefined);
      assert.equal((await decode(bytes, 'srgb', MAX_PIXELS)).width, 64);
    }
  });

  it('reaches no other loader of libvips, by whatever way', async () => {
    // What is called HEIC here is an AVIF with another name, so that its loader reads it.
    const others = all.filter(({ name, code }) => code === 'image_unsupported' && name !== 'HEIC');
    for (const { bytes } of others) await assert.rejects(sharp(bytes).raw().toBuffer());
  });
});
