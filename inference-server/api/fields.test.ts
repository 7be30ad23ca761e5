import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestError } from '../../foundation/errors.ts';
import { readCutoutQuery } from './native.ts';
import { readRembgFields } from './rembg-fields.ts';

function refusal(read: () => unknown): { code: string; field: unknown } {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return { code: error.code, field: error.details?.['field'] };
  }
  throw new Error('it was accepted');
}

const form = (fields: Record<string, string> = {}): Map<string, string> => new Map(Object.entries(fields));
const extras = (value: unknown): string => `/api/remove?extras=${encodeURIComponent(JSON.stringify(value))}`;

describe('the fields of rembg', () => {
  it('mean, when none is sent, a premultiplied PNG of the first model', () => {
    assert.deepEqual(readRembgFields(form(), '/api/remove'), {
      model: undefined,
      options: {
        output: 'cutout',
        format: 'png',
        alpha: 'premultiplied',
        colours: 'as-stored',
        smoothMask: false,
      },
    });
  });

  it('read truth as FastAPI does', () => {
    for (const word of ['true', 'True', '1', 'on', 'YES', 't', 'y'])
      assert.equal(readRembgFields(form({ om: word }), '/').options.output, 'mask');
    for (const word of ['false', '0', 'off', 'No', 'f', 'N'])
      assert.equal(readRembgFields(form({ om: word }), '/').options.output, 'cutout');
    assert.deepEqual(
      refusal(() => readRembgFields(form({ om: 'maybe' }), '/')),
      {
        code: 'field_invalid',
        field: 'om',
      },
    );
  });

  it('take a background of three or four numbers, and leave it out with om as rembg does', () => {
    const background = (value: string): unknown =>
      readRembgFields(form(), `/api/remove?bgc=${value}`).options.background;
    assert.deepEqual(background('1,2,3'), [1, 2, 3, 255]);
    assert.deepEqual(background('1,2,3,4'), [1, 2, 3, 4]);
    assert.equal(background(''), undefined);
    assert.equal(readRembgFields(form({ om: '1' }), '/?bgc=1,2,3').options.background, undefined);
    for (const value of ['1,2', '1,2,3,4,5', '1,2,256', '-1,2,3', 'red', '1,,3'])
      assert.equal(refusal(() => background(value)).code, 'field_invalid', value);
  });

  it('take putalpha of the extras, and nothing else that names a file or a model', () => {
    assert.equal(readRembgFields(form(), extras({ putalpha: true })).options.alpha, 'replaced');
    assert.deepEqual(
      refusal(() => readRembgFields(form(), extras({ model_path: '/etc/passwd' }))),
      {
        code: 'field_unsupported',
        field: 'extras.model_path',
      },
    );
    for (const value of [[], null, 3, { putalpha: 'yes' }])
      assert.equal(refusal(() => readRembgFields(form(), extras(value))).code, 'field_invalid');
    assert.equal(refusal(() => readRembgFields(form(), '/?extras={')).code, 'field_invalid');
  });

  it('are refused by name where they are not supported, and held to their range where they do nothing', () => {
    for (const field of ['a', 'dc', 'vm']) {
      assert.deepEqual(
        refusal(() => readRembgFields(form({ [field]: 'true' }), '/')),
        {
          code: 'field_unsupported',
          field,
        },
      );
      assert.ok(readRembgFields(form({ [field]: 'false' }), '/'));
    }
    assert.ok(readRembgFields(form({ af: '240', ab: '10', ae: '40' }), '/'));
    for (const [field, value] of Object.entries({ af: '256', ab: '-1', ae: 'ten' }))
      assert.deepEqual(
        refusal(() => readRembgFields(form({ [field]: value }), '/')),
        {
          code: 'field_invalid',
          field,
        },
      );
  });
});

describe('the query of /v1/cutouts', () => {
  it('means, when empty, a straight-alpha PNG in sRGB', () => {
    assert.deepEqual(readCutoutQuery('/v1/cutouts'), {
      model: undefined,
      options: { output: 'cutout', format: 'png', alpha: 'straight', colours: 'srgb', smoothMask: false },
    });
  });

  it('refuses what is unknown, repeated, or without meaning together', () => {
    const code = (query: string): unknown => refusal(() => readCutoutQuery(`/v1/cutouts?${query}`)).code;
    assert.equal(code('size=3'), 'field_unsupported');
    assert.equal(code('format=png&format=webp'), 'field_repeated');
    assert.equal(code('output=mask&alpha=straight'), 'field_unsupported');
    assert.equal(code('background=red'), 'field_invalid');
    assert.equal(code('format=gif'), 'field_invalid');
  });
});
