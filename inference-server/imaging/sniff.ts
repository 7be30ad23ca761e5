import { brandsOf } from './headers/boxes.ts';

/** Signatures by which a file is told from its first bytes; `offset` defaults to 0. */
const SIGNATURES: readonly { name: string; hex: string; offset?: number }[] = [
  { name: 'jpeg', hex: 'ffd8ff' },
  { name: 'png', hex: '89504e470d0a1a0a' },
  { name: 'webp', hex: '57454250', offset: 8 },
  { name: 'a GIF picture', hex: '47494638' },
  { name: 'avif', hex: '66747970', offset: 4 },
  { name: 'a TIFF picture', hex: '49492a00' },
  { name: 'a TIFF picture', hex: '4d4d002a' },
  { name: 'a BMP picture', hex: '424d' },
  { name: 'a JPEG XL picture', hex: 'ff0a' },
  { name: 'a JPEG XL picture', hex: '0000000c4a584c20' },
  { name: 'an icon', hex: '00000100' },
  { name: 'a Photoshop document', hex: '38425053' },
  { name: 'a PDF document', hex: '25504446' },
  { name: 'a ZIP archive', hex: '504b0304' },
  { name: 'a TIFF picture', hex: '49492b00' },
  { name: 'a TIFF picture', hex: '4d4d002b' },
  { name: 'a JPEG 2000 picture', hex: '0000000c6a502020' },
  { name: 'a JPEG 2000 picture', hex: 'ff4fff51' },
  { name: 'an OpenEXR picture', hex: '762f3101' },
  { name: 'a Radiance picture', hex: '233f52414449414e4345' },
  { name: 'a PostScript document', hex: '25215053' },
  { name: 'gzip data', hex: '1f8b' },
];

/** `jpeg`, `png`, `webp`, `avif`, or words that name what else it is. */
export function sniff(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 1024));
  const match = SIGNATURES.find(({ hex, offset = 0 }) => {
    const signature = Buffer.from(hex, 'hex');
    return head.subarray(offset, offset + signature.length).equals(signature);
  });
  if (match?.name === 'avif') return byBrand(brandsOf(head));
  if (match !== undefined) return match.name;
  const text = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (/<svg[\s>]/i.test(text)) return 'an SVG drawing';
  if (/^<(!doctype html|html)/i.test(text)) return 'an HTML page';
  if (/^<\?xml/i.test(text)) return 'an XML document';
  return isText(text) ? 'text' : 'not a picture';
}

/** AVIF, HEIC and films share their box format; the brands tell them apart. */
function byBrand(brands: string[]): string {
  if (brands.some((brand) => /^(hei|hev|hvc)/.test(brand))) return 'a HEIC picture';
  if (brands.some((brand) => brand === 'avif' || brand === 'avis')) return 'avif';
  return brands.some((brand) => /^(mif|msf)/.test(brand)) ? 'a HEIF picture' : 'a film';
}

function isText(text: string): boolean {
  return /^[\P{Cc}\s]+$/u.test(text.slice(0, 64));
}

const GIF_IMAGE = 0x2c;
const GIF_EXTENSION = 0x21;

/** How many frames a GIF has, counted up to `most`; what is cut off counts as far as it goes. */
export function frameCountOfGif(bytes: Uint8Array, most: number): number {
  let at = 13 + colourTableBytes(bytes[10] ?? 0);
  let frames = 0;
  while (at < bytes.length && frames < most) {
    if (bytes[at] === GIF_EXTENSION) at = afterSubBlocks(bytes, at + 2);
    else if (bytes[at] === GIF_IMAGE) {
      frames++;
      at = afterSubBlocks(bytes, at + 11 + colourTableBytes(bytes[at + 9] ?? 0));
    } else break;
  }
  return frames;
}

function colourTableBytes(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

function afterSubBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== 0) at += 1 + (bytes[at] as number);
  return at + 1;
}
