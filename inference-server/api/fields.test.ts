import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RequestError } from '../../foundation/errors.ts';
import { readCutoutQuery } from './native.ts';
import { readRembgForm, readRembgQuery } from './rembg-fields.ts';

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
    assert.deepEqual(readRembgForm(form(), '/api/remove'), {
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
      assert.equal(readRembgForm(form({ om: word }), '/').options.output, 'mask');
    for (const word of ['false', '0', 'off', 'No', 'f', 'N'])
      assert.equal(readRembgForm(form({ om: word }), '/').options.output, 'cutout');
    assert.deepEqual(
      refusal(() => readRembgForm(form({ om: 'maybe' }), '/')),
      {
        code: 'field_invalid',
        field: 'om',
      },
    );
  });

  it('take a background of three or four numbers, and leave it out with om as rembg does', () => {
    const background = (value: string): unknown =>
      readRembgForm(form(), `/api/remove?bgc=${value}`).options.background;
    assert.deepEqual(background('1,2,3'), [1, 2, 3, 255]);
    assert.deepEqual(background('1,2,3,4'), [1, 2, 3, 4]);
    assert.equal(background(''), undefined);
    assert.equal(readRembgForm(form({ om: '1' }), '/?bgc=1,2,3').options.background, undefined);
    for (const value of ['1,2', '1,2,3,4,5', '1,2,256', '-1,2,3', 'red', '1,,3'])
      assert.equal(refusal(() => background(value)).code, 'field_invalid', value);
  });

  it('take putalpha of the extras, and nothing else that names a file or a model', () => {
    assert.equal(readRembgForm(form(), extras({ putalpha: true })).options.alpha, 'replaced');
    assert.deepEqual(
      refusal(() => readRembgForm(form(), extras({ model_path: '/etc/passwd' }))),
      {
        code: 'field_unsupported',
        field: 'extras.model_path',
      },
    );
    for (const value of [[], null, 3, { putalpha: 'yes' }])
      assert.equal(refusal(() => readRembgForm(form(), extras(value))).code, 'field_invalid');
    assert.equal(refusal(() => readRembgForm(form(), '/?extras={')).code, 'field_invalid');
  });

  it('take alpha matting and decontamination, which have no meaning for a mask', () => {
    const { options } = readRembgForm(form({ a: 'true', af: '250', ab: '5', ae: '3' }), '/');
    assert.deepEqual(options.matting, { foreground: 250, background: 5, erode: 3 });
    assert.deepEqual(readRembgForm(form({ a: '1' }), '/').options.matting, {
      foreground: 240,
      background: 10,
      erode: 10,
    });
    assert.equal(readRembgForm(form({ a: '1', om: '1' }), '/').options.matting, undefined);
    assert.equal(readRembgForm(form({ dc: '1' }), '/').options.decontaminate, true);
    assert.equal(readRembgForm(form({ dc: '0' }), '/').options.decontaminate, undefined);
    assert.equal(readRembgForm(form({ dc: '1', om: '1' }), '/').options.decontaminate, undefined);
  });

  it('take the class of a model of clothes by either of its names', () => {
    assert.equal(readRembgForm(form(), extras({ cc: 'upper' })).options.classes, 'upper');
    assert.equal(readRembgForm(form(), extras({ cc: '', cloth_category: 'full' })).options.classes, 'full');
    assert.equal(refusal(() => readRembgForm(form(), extras({ cc: 3 }))).field, 'extras.cc');
  });

  it('are refused by name where they are not supported, and held to their range', () => {
    assert.deepEqual(
      refusal(() => readRembgForm(form({ vm: 'true' }), '/')),
      { code: 'field_unsupported', field: 'vm' },
    );
    assert.ok(readRembgForm(form({ vm: 'false' }), '/'));
    assert.equal(refusal(() => readRembgForm(form({ model: 'sam' }), '/')).field, 'model');
    for (const [field, value] of Object.entries({ af: '256', ab: '-1', ae: 'ten' }))
      assert.deepEqual(
        refusal(() => readRembgForm(form({ [field]: value }), '/')),
        { code: 'field_invalid', field },
      );
    for (const [fields, url, field] of [
      [{ bgc: '1,2,3' }, '/', 'bgc'],
      [{}, '/?om=true', 'om'],
      [{ colour: 'red' }, '/', 'colour'],
    ] as const)
      assert.deepEqual(
        refusal(() => readRembgForm(form(fields), url)),
        { code: 'field_unsupported', field },
      );
  });

  it('mean the same in the query of a GET, with the address', () => {
    const { address, ...asked } = readRembgQuery('/api/remove?url=https://a.example/x.png&om=1&bgc=1,2,3');
    assert.equal(address, 'https://a.example/x.png');
    assert.deepEqual(asked, readRembgForm(form({ om: '1' }), '/?bgc=1,2,3'));
    assert.deepEqual(
      refusal(() => readRembgQuery('/api/remove?om=1')),
      { code: 'field_missing', field: 'url' },
    );
  });

  it('are accepted or refused with a reason, whatever they are', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('true', '1', '0', '255', '1,2,3', '{"cc":"upper"}'));
    const fields = fc.dictionary(
      fc.constantFrom('model', 'a', 'af', 'ab', 'ae', 'om', 'ppm', 'dc', 'x'),
      word,
    );
    fc.assert(
      fc.property(fields, word, word, (given, bgc, more) => {
        const url = `/api/remove?${new URLSearchParams({ bgc, extras: more }).toString()}`;
        try {
          readRembgForm(form(given), url);
        } catch (error) {
          assert.ok(error instanceof RequestError, String(error));
          assert.ok(error.status >= 400 && error.status < 500 && error.message.length > 10);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the query of /v1/cutouts', () => {
  it('means, when empty, a straight-alpha PNG in sRGB', () => {
    assert.deepEqual(readCutoutQuery('/v1/cutouts'), {
      model: undefined,
      priority: 'normal',
      deadlineMs: undefined,
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
    assert.equal(code('quality=80'), 'field_unsupported');
    for (const quality of ['0', '101', '50.5', '', 'high'])
      assert.equal(code(`format=jpeg&quality=${quality}`), 'field_invalid');
    assert.equal(readCutoutQuery('/?format=avif&quality=100').options.quality, 100);
    assert.equal(code('deadlineSeconds=0'), 'field_invalid');
    assert.equal(code('priority=first'), 'field_invalid');
    assert.deepEqual(readCutoutQuery('/?background=%23102030').options.background, [16, 32, 48, 255]);
    assert.equal(readCutoutQuery('/?deadlineSeconds=2.5').deadlineMs, 2500);
  });
});
