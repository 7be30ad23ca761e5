import { extentOfAv1 } from './av1.ts';
import { type Box, boxesOf, brandsOf, contentOf, find, itemLocations, itemTypes } from './boxes.ts';
import type { Header } from './header.ts';

/** A picture may be coded in layers, four at most. */
const MOST_FRAMES = 8;
/** What may stand beside coded pictures: a grid of them, metadata, a gain map for displays with more light. */
const HARMLESS_ITEMS = new Set(['Exif', 'mime', 'uri ', 'tmap']);

interface Extent {
  width: number;
  height: number;
  /** Of coded pictures, which is what a decoder allots; a grid only says how they lie. */
  frames: number;
}

/**
 * The size of an AVIF picture: the largest that its properties, its grid, or the coded pictures themselves state, since
 * a decoder allots what the last says. `pixels` adds up all that is coded in it: tiles, alpha, thumbnails.
 */
export function avifHeader(bytes: Buffer): (Header & { pixels: number }) | undefined {
  const meta = find(boxesOf(bytes), 'meta');
  if (meta === undefined || meta.length < 4) return undefined;
  const boxes = boxesOf(meta.subarray(4));
  const items = extentsOfItems(boxes, bytes);
  if (items === undefined) return undefined;
  const coded = items.filter(({ frames }) => frames > 0);
  if (coded.length === 0) return undefined;
  const all = [...items, ...statedExtents(boxes)];
  return {
    width: Math.max(...all.map(({ width }) => width)),
    height: Math.max(...all.map(({ height }) => height)),
    animated: brandsOf(bytes).includes('avis') || coded.some(({ frames }) => frames > MOST_FRAMES),
    pixels: coded.reduce((sum, { width, height }) => sum + width * height, 0),
  };
}

/** The image spatial extents among the properties. */
function statedExtents(boxes: Box[]): Extent[] {
  const properties = find(boxesOf(find(boxes, 'iprp') ?? Buffer.alloc(0)), 'ipco') ?? Buffer.alloc(0);
  return boxesOf(properties)
    .filter(({ type, data }) => type === 'ispe' && data.length >= 12)
    .map(({ data }) => ({ width: data.readUInt32BE(4), height: data.readUInt32BE(8), frames: 0 }));
}

/** What each item says itself; undefined when one cannot be followed, or is of a kind that no AVIF needs. */
function extentsOfItems(boxes: Box[], file: Buffer): Extent[] | undefined {
  const types = itemTypes(find(boxes, 'iinf'));
  const locations = itemLocations(find(boxes, 'iloc'));
  if (types === undefined || locations === undefined) return undefined;
  const extents: Extent[] = [];
  for (const [item, type] of types) {
    if (HARMLESS_ITEMS.has(type)) continue;
    const content = contentOf(locations.get(item), file, find(boxes, 'idat'));
    const extent = content && extentOfItem(type, content);
    if (extent === undefined) return undefined;
    extents.push(extent);
  }
  return extents;
}

function extentOfItem(type: string, content: Buffer): Extent | undefined {
  if (type === 'grid') return gridSize(content);
  return type === 'av01' ? extentOfAv1(content) : undefined;
}

function gridSize(content: Buffer): Extent | undefined {
  const wide = ((content[1] ?? 0) & 1) === 1;
  if (content.length < (wide ? 12 : 8)) return undefined;
  return wide
    ? { width: content.readUInt32BE(4), height: content.readUInt32BE(8), frames: 0 }
    : { width: content.readUInt16BE(4), height: content.readUInt16BE(6), frames: 0 };
}
