import { readFile } from 'node:fs/promises';
import type { Finish } from './finish.ts';
import { prepareMark } from './mark/mark.ts';
import type { MarksConfig } from './marks-config.ts';
import { createWatermark } from './watermark/watermark.ts';

export type Marks = Pick<Finish, 'mark' | 'watermark'>;

/**
 * Reads what the marks need, once for all pictures.
 * @throws what reading a file throws, RequestError of `prepareMark`, RangeError of a key that is too short.
 */
export async function openMarks({ visible, watermark }: MarksConfig): Promise<Marks> {
  const marks: Marks = {};
  if (visible !== undefined) {
    const { source } = visible;
    const read = source.kind === 'text' ? source : { kind: source.kind, png: await readFile(source.file) };
    marks.mark = await prepareMark({ ...visible, source: read });
  }
  if (watermark !== undefined)
    marks.watermark = {
      watermark: createWatermark(await readFile(watermark.keyFile)),
      owner: watermark.owner,
    };
  return marks;
}
