import sharp, { type Sharp } from 'sharp';
import type { Raster } from '../../inference-server/imaging/resample.ts';
import { createWatermark, type Watermark } from '../../inference-server/imaging/watermark/watermark.ts';
import { type Photo, withPhotos } from './photos.ts';
import { judge, median } from './report.ts';
import { structuralSimilarity } from './similarity.ts';

/** What must be shown: in so many of the photos, and so faint. */
const SURVIVAL = 0.95;
const FIDELITY_DB = 38;
const KEY = Buffer.from('the key of the bench, which is 32+');
const OWNER = 'tenant:acme';
const CROPS = 8;
const OTHER_KEYS = 24;

interface Attack {
  name: string;
  /** Without a bar: published, not promised. */
  required: boolean;
  apply: (image: Sharp, size: { width: number; height: number }) => Sharp;
}

const scaled =
  (factor: number): Attack['apply'] =>
  (image, { width, height }) =>
    image.resize(Math.round(width * factor), Math.round(height * factor), { fit: 'fill' });

const jpeg =
  (quality: number): Attack['apply'] =>
  (image) =>
    image.jpeg({ quality });

/** Two steps: sharp always resizes before it encodes, which is the order meant. */
const both =
  (first: Attack['apply'], second: Attack['apply']): Attack['apply'] =>
  (image, size) =>
    second(first(image, size), size);

const ATTACKS: readonly Attack[] = [
  { name: 'none', required: true, apply: (image) => image },
  { name: 'JPEG quality 75', required: true, apply: jpeg(75) },
  { name: 'resized to 80 %', required: true, apply: scaled(0.8) },
  { name: 'resized to 120 %', required: true, apply: scaled(1.2) },
  { name: '80 %, then JPEG 75', required: true, apply: both(scaled(0.8), jpeg(75)) },
  { name: '120 %, then JPEG 75', required: true, apply: both(scaled(1.2), jpeg(75)) },
  { name: 'JPEG quality 50', required: false, apply: jpeg(50) },
  { name: 'JPEG quality 30', required: false, apply: jpeg(30) },
  { name: 'resized to 50 %, then JPEG 75', required: false, apply: both(scaled(0.5), jpeg(75)) },
  { name: 'WebP quality 60', required: false, apply: (image) => image.webp({ quality: 60 }) },
  { name: 'AVIF quality 50', required: false, apply: (image) => image.avif({ quality: 50, effort: 2 }) },
  { name: 'blur of sigma 1', required: false, apply: (image) => image.blur(1) },
  { name: 'sharpened', required: false, apply: (image) => image.sharpen({ sigma: 1 }) },
  { name: 'brighter by a fifth', required: false, apply: (image) => image.linear(1.2, 0) },
  { name: 'grey', required: false, apply: (image) => image.greyscale() },
  {
    name: 'a border of 1 % cut off',
    required: false,
    apply: (image, { width, height }) => {
      const [left, top] = [Math.ceil(width / 100), Math.ceil(height / 100)];
      return image.extract({ left, top, width: width - 2 * left, height: height - 2 * top });
    },
  },
  { name: 'turned by 1°', required: false, apply: (image) => image.rotate(1) },
  { name: 'mirrored', required: false, apply: (image) => image.flop() },
];

interface Subject {
  /** `photo`, or `crop` of one. */
  kind: 'photo' | 'crop';
  picture: Raster;
}

async function rasterOf(image: Sharp): Promise<Raster> {
  const { data, info } = await image
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height, channels: info.channels };
}

function imageOf({ data, width, height, channels }: Raster): Sharp {
  return sharp(data, { raw: { width, height, channels: channels as 3 } });
}

/** Each photo whole, and crops of it at places and sizes that follow from their number: two thirds to all of its side. */
async function subjectsOf(photos: Photo[]): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const { bytes } of photos) {
    const whole = await rasterOf(sharp(bytes));
    if (Math.min(whole.width, whole.height) < 256) continue;
    subjects.push({ kind: 'photo', picture: whole });
    for (let crop = 0; crop < CROPS; crop++) {
      const share = 0.66 + (0.3 * ((crop * 3) % CROPS)) / CROPS;
      const width = Math.max(256, Math.round(whole.width * share));
      const height = Math.max(256, Math.round(whole.height * (0.66 + (0.3 * ((crop * 5) % CROPS)) / CROPS)));
      const left = Math.round(((whole.width - width) * (crop % 3)) / 2);
      const top = Math.round(((whole.height - height) * (Math.floor(crop / 3) % 3)) / 2);
      const cut = imageOf(whole).extract({ left, top, width, height });
      const mirrored = crop % 2 === 1 ? cut.flop() : cut;
      subjects.push({ kind: 'crop', picture: await rasterOf(mirrored) });
    }
  }
  return subjects;
}

/** A soft-edged ellipse cut out of a picture, as background removal leaves one. */
function cutOutOf({ data, width, height }: Raster): Raster {
  const rgba = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    rgba.set(data.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    const distance = Math.hypot(
      ((pixel % width) / width - 0.5) / 0.38,
      (Math.floor(pixel / width) / height - 0.5) / 0.45,
    );
    rgba[pixel * 4 + 3] = Math.max(0, Math.min(255, Math.round((1 - distance) * 4000)));
  }
  return { data: rgba, width, height, channels: 4 };
}

function peakSignalToNoise(a: Raster, b: Raster): number {
  let squares = 0;
  for (let i = 0; i < a.data.length; i++) squares += ((a.data[i] as number) - (b.data[i] as number)) ** 2;
  return squares === 0 ? Infinity : 10 * Math.log10((255 ** 2 * a.data.length) / squares);
}

function marked(watermark: Watermark, picture: Raster): { copy: Raster; ms: number } | undefined {
  const copy = { ...picture, data: picture.data.slice() };
  const started = performance.now();
  const done = watermark.embed(copy, OWNER);
  return done ? { copy, ms: performance.now() - started } : undefined;
}

/** How many of a number carry their mark, in words and as a share. */
function counted(found: number, all: number): string {
  return `${found} of ${all} (${((100 * found) / all).toFixed(1)} %)`;
}

function judgeSurvival(what: string, found: number, all: number): void {
  judge(`watermark, ${what}: found in at least 95 %`, counted(found, all), found / all >= SURVIVAL);
}

async function measureAttacks(watermark: Watermark, subjects: Subject[]): Promise<void> {
  const tag = watermark.tagOf(OWNER);
  const all = subjects.map(({ kind, picture }) => ({
    kind,
    picture,
    copy: marked(watermark, picture)?.copy,
  }));
  const survived: { name: string; found: number }[] = [];
  console.log('\n| Attack | Photos | Photos and crops | |\n| --- | --- | --- | --- |');
  for (const { name, required, apply } of ATTACKS) {
    const found = { photo: 0, crop: 0 };
    for (const { kind, picture, copy } of all) {
      if (copy === undefined) continue;
      const attacked = sharp(await apply(imageOf(copy).png({ compressionLevel: 1 }), picture).toBuffer());
      if (watermark.read(await rasterOf(attacked)) === tag) found[kind]++;
    }
    if (required) survived.push({ name, found: found.photo + found.crop });
    const photos = all.filter(({ kind }) => kind === 'photo').length;
    const bar = required ? `${SURVIVAL * 100} %` : '';
    console.log(
      `| ${name} | ${counted(found.photo, photos)} | ${counted(found.photo + found.crop, all.length)} | ${bar} |`,
    );
  }
  for (const { name, found } of survived) judgeSurvival(name, found, all.length);
}

async function measureCutOuts(watermark: Watermark, subjects: Subject[]): Promise<void> {
  const tag = watermark.tagOf(OWNER);
  const found = { png: 0, white: 0, both: 0 };
  for (const { picture } of subjects) {
    const copy = marked(watermark, cutOutOf(picture))?.copy;
    if (copy === undefined) continue;
    const flat = imageOf(copy).flatten({ background: '#ffffff' });
    const size = { width: Math.round(copy.width * 0.8), height: Math.round(copy.height * 0.8) };
    if (watermark.read(copy) === tag) found.png++;
    const white = sharp(await flat.clone().jpeg({ quality: 75 }).toBuffer());
    if (watermark.read(await rasterOf(white)) === tag) found.white++;
    const smaller = sharp(
      await flat
        .clone()
        .resize({ ...size, fit: 'fill' })
        .jpeg({ quality: 75 })
        .toBuffer(),
    );
    if (watermark.read(await rasterOf(smaller)) === tag) found.both++;
  }
  console.log('\n| Cut-outs with transparency | Found |\n| --- | --- |');
  console.log(`| as PNG | ${counted(found.png, subjects.length)} |`);
  console.log(`| before white, JPEG 75 | ${counted(found.white, subjects.length)} |`);
  console.log(`| before white, 80 %, JPEG 75 | ${counted(found.both, subjects.length)} |`);
  judgeSurvival('cut-outs as PNG', found.png, subjects.length);
}

function measureFidelity(watermark: Watermark, subjects: Subject[]): void {
  const decibels: number[] = [];
  const similarities: number[] = [];
  const times: number[] = [];
  for (const { picture } of subjects) {
    const made = marked(watermark, picture);
    if (made === undefined) continue;
    decibels.push(peakSignalToNoise(picture, made.copy));
    similarities.push(structuralSimilarity(picture, made.copy));
    times.push((made.ms * 1e6) / (picture.width * picture.height));
  }
  const least = Math.min(...decibels);
  console.log(
    `\nPSNR ${median(decibels).toFixed(1)} dB (median), ${least.toFixed(1)} dB (least; bar ${FIDELITY_DB}); ` +
      `SSIM ${median(similarities).toFixed(4)} (median), ${Math.min(...similarities).toFixed(4)} (least); ` +
      `${median(times).toFixed(0)} ms a megapixel to mark`,
  );
  judge(
    `watermark: PSNR of at least ${FIDELITY_DB} dB in every picture`,
    `${least.toFixed(1)} dB`,
    least >= FIDELITY_DB && decibels.length === subjects.length,
  );
}

/** Pictures without a mark, read with many keys, and marked ones read with keys that are not theirs. */
function measureFalseAlarms(watermark: Watermark, subjects: Subject[]): void {
  let reads = 0;
  let alarms = 0;
  for (let i = 0; i < OTHER_KEYS; i++) {
    const other = createWatermark(Buffer.from(`another key of the bench, number ${i}`));
    for (const { picture } of subjects) {
      reads += 2;
      if (other.read(picture) !== undefined) alarms++;
      const copy = i % 8 === 0 ? marked(watermark, picture)?.copy : undefined;
      if (copy === undefined) reads--;
      else if (other.read(copy) !== undefined) alarms++;
    }
  }
  judge(
    'watermark: no false alarm (by construction one in 2^24)',
    `${alarms} in ${reads} reads without a mark of the key`,
    alarms === 0,
  );
}

/** Measures the invisible watermark, prints tables in Markdown, and judges its bars. */
export async function measureWatermark(): Promise<void> {
  await withPhotos(async (photos) => {
    const watermark = createWatermark(KEY);
    const subjects = await subjectsOf(photos);
    console.log(
      `${subjects.length} pictures: ${photos.length} photographs, and ${CROPS} crops of each, half of them mirrored`,
    );
    for (const { name, licence, author } of photos) console.log(`  ${name}: ${licence}, ${author}`);
    await measureAttacks(watermark, subjects);
    await measureCutOuts(watermark, subjects.slice(0, 60));
    measureFidelity(watermark, subjects);
    measureFalseAlarms(watermark, subjects);
  });
}
