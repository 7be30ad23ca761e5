/** What is used of opentype.js 2.0.0, which has no types of its own; those of others bring the browser's globals in. */
declare module 'opentype.js' {
  export type PathCommand =
    | { type: 'M'; x: number; y: number }
    | { type: 'L'; x: number; y: number }
    | { type: 'Q'; x: number; y: number; x1: number; y1: number }
    | { type: 'C'; x: number; y: number; x1: number; y1: number; x2: number; y2: number }
    | { type: 'Z' };

  export interface Path {
    commands: PathCommand[];
    getBoundingBox(): { x1: number; y1: number; x2: number; y2: number };
  }

  export interface Font {
    /** 0 for what the font does not have. */
    charToGlyphIndex(character: string): number;
    /** From a baseline at x, y, with y downwards. */
    getPath(text: string, x: number, y: number, fontSize: number): Path;
  }

  const opentype: { parse(file: ArrayBuffer): Font };
  export default opentype;
}
