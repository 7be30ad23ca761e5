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
        '{"cc":"upper"}',
        '{"cloth_category":3}',
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
        dc: WORDS,
        vm: WORDS,
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
      class: ['upper', ''],
      priority: ['high', 'normal', 'low', 'first', ''],
      // None so short that a right request could miss it.
      deadlineSeconds: ['600', '3600', '3601', '0', '-1', '.5', ''],
    },
    raw: true,
    form: { file: 'file', fields: {} },
  },
  {
    method: 'POST',
    path: '/v1/images/edits',
    query: {},
    form: {
      file: 'image',
      fields: {
        model: ['tiny', 'gpt-image-1', ''],
        prompt: ['Remove the background', '去除背景', 'a cat', ''],
        n: ['1', '2', 'NaN'],
        size: ['auto', '1024x1024'],
        quality: ['auto', 'high'],
        background: ['auto', 'transparent', 'opaque'],
        output_format: ['png', 'webp', 'jpeg'],
        response_format: ['b64_json', 'url'],
        stream: ['false', 'true'],
        user: ['someone'],
      },
    },
    json: {
      model: 'tiny',
      prompt: 'Remove the background',
      n: 1,
      output_format: 'webp',
      images: [{ image_url: `data:image/png;base64,${PICTURE}` }],
    },
  },
  {
    method: 'POST',
    path: '/v2/models/tiny/infer',
    query: {},
    json: {
      id: '1',
      parameters: { priority: 1 },
      inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 3], parameters: {}, data: [[0.5], 1, -1] }],
      outputs: [{ name: 'output', parameters: { binary_data: true } }],
    },
  },
];
