import { z } from 'zod';
import { markPositions } from './mark/place.ts';

const byte = z.int().min(0).max(255);

/** What is put into every picture that is given out, as a service is configured with it; masks are never marked. */
export const marksConfig = z.strictObject({
  visible: z
    .strictObject({
      source: z.discriminatedUnion('kind', [
        z.strictObject({
          kind: z.literal('text'),
          text: z.string().min(1).max(64),
          colour: z.tuple([byte, byte, byte]).default([255, 255, 255]),
        }),
        z.strictObject({ kind: z.literal('logo'), file: z.string().min(1) }),
      ]),
      position: z.enum(markPositions).default('bottom-right'),
      opacity: z.number().min(0).max(1).default(0.5),
      /** Of the picture's width. */
      share: z.number().min(0.02).max(1).default(0.25),
    })
    .optional(),
  /** The key stays in its file: neither configuration nor messages carry it. */
  watermark: z.strictObject({ keyFile: z.string().min(1), owner: z.string().min(1) }).optional(),
});
export type MarksConfig = z.infer<typeof marksConfig>;
