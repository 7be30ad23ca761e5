import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { samples } from './pixels.ts';

/** A small file that would cost a decoder far more than its size lets expect, or that no decoder may see at all. */
export interface Bomb {
  name: string;
  bytes: Buffer;
  status: 415 | 422;
  code: string;
}

const HUGE = 60_000;
const HIDDEN = 16 * 1024 * 1024;

export function pngChunk(type: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length);
  head.write(type, 4, 'latin1');
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])));
  return Buffer.concat([head, data, tail]);
}

const AFTER_IHDR = 33;

/** A PNG with chunks put in right after its IHDR. */
export function withChunks(png: Buffer, ...chunks: Buffer[]): Buffer {
  return Buffer.concat([png.subarray(0, AFTER_IHDR), ...chunks, png.subarray(AFTER_IHDR)]);
}

function patched(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

function pngBombs(png: Buffer): Bomb[] {
  const zeros = deflateSync(Buffer.alloc(HIDDEN), { level: 6 });
  const hidden = (name: string, type: string, before: string): Bomb => ({
    name: `PNG whose ${name} unpacks to 16 MiB`,
    bytes: withChunks(png, pngChunk(type, Buffer.concat([Buffer.from(before, 'latin1'), zeros]))),
    status: 422,
    code: 'image_too_costly',
  });
  const size = Buffer.alloc(13);
  size.writeUInt32BE(HUGE, 0);
  size.writeUInt32BE(HUGE, 4);
  size.set([8, 6], 8);
  const large = Buffer.concat([
    png.subarray(0, 8),
    pngChunk('IHDR', size),
    pngChunk('IDAT', zeros),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
  const many = Array.from({ length: 200 }, () =>
    pngChunk(
      'zTXt',
      Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), deflateSync(Buffer.alloc(1 << 20))]),
    ),
  );
  const control = Buffer.alloc(8);
  control.writeUInt32BE(1_000_000, 0);
  return [
    { name: 'PNG of 60,000 by 60,000', bytes: large, status: 422, code: 'image_too_large' },
    hidden('profile', 'iCCP', 'icc\0\0'),
    hidden('text', 'zTXt', 'Comment\0\0'),
    hidden('international text', 'iTXt', 'XML:com.adobe.xmp\0\x01\0\0\0'),
    {
      name: 'PNG with 200 texts of a mebibyte each',
      bytes: withChunks(png, ...many),
      status: 422,
      code: 'image_too_costly',
    },
    {
      name: 'APNG of a million frames',
      bytes: withChunks(png, pngChunk('acTL', control)),
      status: 422,
      code: 'image_animated',
    },
  ];
}

/** Where the frame header (SOF0 or SOF2) of a JPEG begins. */
function frameHeaderAt(jpeg: Buffer): number {
  const at = [0xc0, 0xc2].map((marker) => jpeg.indexOf(Buffer.from([0xff, marker]))).filter((i) => i >= 0);
  return Math.min(...at);
}

async function jpegBombs(picture: Sharp): Promise<Bomb[]> {
  const progressive = await picture.clone().jpeg({ progressive: true }).toBuffer();
  const frame = frameHeaderAt(progressive);
  const large = patched(progressive, (copy) => {
    copy.writeUInt16BE(HUGE, frame + 5);
    copy.writeUInt16BE(HUGE, frame + 7);
  });
  const lastScan = progressive.lastIndexOf(Buffer.from([0xff, 0xda]));
  const scans = Array.from({ length: 300 }, () => progressive.subarray(lastScan, -2));
  return [
    { name: 'JPEG of 60,000 by 60,000', bytes: large, status: 422, code: 'image_too_large' },
    {
      name: 'progressive JPEG of 300 scans',
      bytes: Buffer.concat([progressive.subarray(0, -2), ...scans, progressive.subarray(-2)]),
      status: 422,
      code: 'image_too_costly',
    },
  ];
}

function riff(...chunks: [type: string, data: Buffer][]): Buffer {
  const body = Buffer.concat(
    chunks.flatMap(([type, data]) => {
      const head = Buffer.alloc(8);
      head.write(type, 'latin1');
      head.writeUInt32LE(data.length, 4);
      return [head, data, Buffer.alloc(data.length & 1)];
    }),
  );
  const head = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1');
  head.writeUInt32LE(body.length + 4, 4);
  return Buffer.concat([head, body]);
}

function canvas(width: number, height: number, flags = 0): Buffer {
  const data = Buffer.alloc(10);
  data[0] = flags;
  data.writeUIntLE(width - 1, 4, 3);
  data.writeUIntLE(height - 1, 7, 3);
  return data;
}

async function webpBombs(picture: Sharp): Promise<Bomb[]> {
  const pixels = (await picture.clone().webp({ lossless: true }).toBuffer()).subarray(20);
  const inner = patched(pixels, (copy) => copy.writeUInt32LE(16_382 | (16_382 << 14), 1));
  const frames = Array.from({ length: 1000 }, (): [string, Buffer] => ['ANMF', Buffer.alloc(24)]);
  return [
    {
      bytes: riff(['VP8X', canvas(HUGE, HUGE)], ['VP8L', pixels]),
      code: 'image_too_large',
      name: 'canvas of 60,000 by 60,000',
    },
    {
      bytes: riff(['VP8X', canvas(8, 8)], ['VP8L', inner]),
      code: 'image_too_large',
      name: 'small canvas around 16,383 by 16,383',
    },
    {
      bytes: riff(['VP8X', canvas(64, 64, 2)], ['ANIM', Buffer.alloc(6)], ...frames),
      code: 'image_animated',
      name: 'thousand frames',
    },
    {
      bytes: riff(['VP8X', canvas(64, 64)], ...frames),
      code: 'image_animated',
      name: 'thousand frames that its flags do not name',
    },
  ].map((bomb) => ({ ...bomb, name: `WebP: ${bomb.name}`, status: 422 as const }));
}

/** Writes a size into the image spatial extents of an AVIF. */
export function withExtents(avif: Buffer, width: number, height: number): Buffer {
  return patched(avif, (copy) => {
    const at = copy.indexOf('ispe', 0, 'latin1');
    copy.writeUInt32BE(width, at + 8);
    copy.writeUInt32BE(height, at + 12);
  });
}

async function avifBombs(picture: Sharp): Promise<Bomb[]> {
  const small = await picture.clone().avif({ effort: 0 }).toBuffer();
  const flat = { width: 7100, height: 7100, channels: 3, background: '#336699' } as const;
  const large = await sharp({ create: flat, limitInputPixels: false })
    .avif({ effort: 0, quality: 1 })
    .toBuffer();
  const sequence = patched(small, (copy) => copy.write('avis', 8, 'latin1'));
  const heic = patched(small, (copy) => copy.write('heic', 8, 'latin1'));
  return [
    {
      name: 'AVIF that says 60,000 by 60,000',
      bytes: withExtents(small, HUGE, HUGE),
      status: 422,
      code: 'image_too_large',
    },
    {
      name: 'AVIF that says 8 by 8 and codes 7,100 by 7,100',
      bytes: withExtents(large, 8, 8),
      status: 422,
      code: 'image_too_large',
    },
    { name: 'AVIF sequence', bytes: sequence, status: 422, code: 'image_animated' },
    { name: 'HEIC', bytes: heic, status: 415, code: 'image_unsupported' },
  ];
}

async function otherFormats(): Promise<Bomb[]> {
  const frame = sharp(samples(3 * 8 * 24), { raw: { width: 8, height: 24, channels: 3, pageHeight: 8 } });
  const frames = await frame.gif().toBuffer();
  const still = await sharp(samples(3 * 64), { raw: { width: 8, height: 8, channels: 3 } })
    .gif()
    .toBuffer();
  const canvasGif = patched(still, (copy) => {
    copy.writeUInt16LE(65_535, 6);
    copy.writeUInt16LE(65_535, 8);
  });
  const tiff = await sharp(samples(3 * 64), { raw: { width: 8, height: 8, channels: 3 } })
    .tiff()
    .toBuffer();
  const unsupported: Record<string, Buffer> = {
    'GIF of 65,535 by 65,535': canvasGif,
    TIFF: tiff,
    BigTIFF: Buffer.from('49492b0008000000', 'hex'),
    SVG: Buffer.from(
      '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="99999" height="99999"/>',
    ),
    PDF: Buffer.from('%PDF-1.7\n1 0 obj\n'),
    PostScript: Buffer.from('%!PS-Adobe-3.0\n'),
    'ImageMagick picture': Buffer.from('id=ImageMagick  version=1.0\nclass=DirectClass\n'),
    'ImageMagick script': Buffer.from('push graphic-context\nimage over 0,0 0,0 "https://example.org/"\n'),
    BMP: Buffer.from('424d000000000000', 'hex'),
    'Photoshop document': Buffer.from('8BPS\0\x01', 'latin1'),
    'JPEG XL': Buffer.from('ff0a00000000', 'hex'),
    'JPEG 2000': Buffer.from('0000000c6a5020200d0a870a', 'hex'),
    film: Buffer.from('000000186674797069736f6d0000020069736f6d69736f32', 'hex'),
    zip: Buffer.from('PK\x03\x04', 'latin1'),
    gzip: Buffer.from('1f8b0800', 'hex'),
  };
  return [
    { name: 'GIF of several frames', bytes: frames, status: 422, code: 'image_animated' },
    ...Object.entries(unsupported).map(([name, bytes]) => ({
      name,
      bytes,
      status: 415 as const,
      code: 'image_unsupported',
    })),
  ];
}

/** One of every kind, for a limit of 50 million pixels. Make them before loaders and savers are blocked. */
export async function bombs(): Promise<Bomb[]> {
  const picture = sharp(samples(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } });
  return [
    ...pngBombs(await picture.clone().png().toBuffer()),
    ...(await jpegBombs(picture)),
    ...(await webpBombs(picture)),
    ...(await avifBombs(picture)),
    ...(await otherFormats()),
  ];
}
