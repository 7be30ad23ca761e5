/**
 * What the inference server takes, for the fuzzer: add a surface's routes here and they are mutated with the others.
 * Values are what a client might send, right and wrong; the fuzzer mutates them further.
 */
export interface FuzzRoute {
  method: 'GET' | 'POST';
  path: string;
  query: Record<string, readonly string[]>;
  /** How the picture goes: as the body itself, or as the file of a form with other fields. */
  raw?: boolean;
  form?: { file: string; fields: Record<string, readonly string[]> };
  /** A JSON body; the string PICTURE in it becomes the picture in base64. */
  json?: unknown;
}

export const PICTURE = '{picture}';

const WORDS = [
  'true',
  'false',
  '1',
  '0',
  '',
  'yes',
  'NaN',
  '-1',
  '1e999',
  '255',
  '999999999999999999999',
] as const;

export const ROUTES: readonly FuzzRoute[] = [
  {
    method: 'POST',
    path: '/api/remove',
    query: {
      bgc: ['1,2,3', '1,2,3,4', '256,0,0', '1,2', ',,,', '-1,0,0', '1e2,0,0', ''],
      extras: [
        '{}',
        '{"putalpha":true}',
        '{"model_path":"/etc/passwd"}',
        '{',
        'null',
        '[]',
        '{"__proto__":1}',
      ],
    },
    form: {
      file: 'file',
      fields: {
        model: ['tiny', 'u2net', '', '../../etc/passwd', 'tiny\0'],
        a: WORDS,
        af: WORDS,
        ab: WORDS,
        ae: WORDS,
        om: WORDS,
        ppm: WORDS,
      },
    },
  },
  {
    method: 'POST',
    path: '/v1/cutouts',
    query: {
      model: ['tiny', 'none', ''],
      output: ['cutout', 'mask', 'outline', ''],
      format: ['png', 'webp', 'jpeg', 'avif', 'svg', ''],
      quality: ['1', '100', '0', '101', '50.5', ''],
      alpha: ['straight', 'premultiplied', 'none'],
      background: ['#102030', '#10203080', '102030', '#zzz', '#'],
    },
    raw: true,
    form: { file: 'file', fields: {} },
  },
];
