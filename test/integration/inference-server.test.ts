import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import { signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import {
  errorOf,
  formWith,
  type Inference,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { samples } from '../support/pixels.ts';
import { until } from '../support/program.ts';

const SIZE = 64;
let intake: Intake;
let server: Inference;
/** Dark left half, bright right half: the tiny graph's mask is 0 there and 255 here. */
let picture: Buffer;

before(async () => {
  intake = await startIntake();
  server = await startInference({
    models: { tiny: { width: SIZE, height: SIZE }, other: { width: 32, height: 32 } },
    intakeUrl: intake.url,
  });
  const data = Buffer.alloc(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) data.fill(i % SIZE < SIZE / 2 ? 20 : 220, i * 3, i * 3 + 3);
  picture = await sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();
  await untilReady(server);
});

after(async () => {
  await server.stop();
  await intake.close();
});

async function rawOf(response: Response): Promise<{ data: Buffer; channels: number; format: string }> {
  assert.equal(response.status, 200, response.ok ? '' : await response.text());
  const bytes = Buffer.from(await response.arrayBuffer());
  const { format } = await sharp(bytes).metadata();
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  return { data, channels: info.channels, format };
}

describe('POST /api/remove', () => {
  it('gives a PNG whose alpha separates the subject, with the times of its parts', async () => {
    const response = await server.send('/api/remove', { body: formWith(picture) });
    assert.equal(response.headers.get('content-type'), 'image/png');
    assert.match(
      response.headers.get('server-timing') ?? '',
      /^queue;dur=[\d.]+, preprocess;dur=[\d.]+, inference;dur=[\d.]+, postprocess;dur=[\d.]+$/,
    );
    const { data, channels, format } = await rawOf(response);
    assert.equal(format, 'png');
    assert.equal(channels, 4);
    assert.deepEqual([...data.subarray(0, 4)], [0, 0, 0, 0]);
    assert.deepEqual([...data.subarray(-4)], [220, 220, 220, 255]);
  });

  it('gives the mask for om, a hard edge for ppm, and a background for bgc in the query', async () => {
    const mask = await rawOf(
      await server.send('/api/remove', { body: formWith(picture, { om: 'true', model: 'tiny' }) }),
    );
    assert.equal(mask.data[0], 0);
    assert.equal(mask.data.at(-1), 255);
    const hard = await rawOf(
      await server.send('/api/remove', { body: formWith(picture, { om: '1', ppm: 'on' }) }),
    );
    assert.ok(hard.data.every((value) => value === 0 || value === 255));
    const coloured = await rawOf(
      await server.send('/api/remove?bgc=10,20,30,255', { body: formWith(picture) }),
    );
    assert.deepEqual([...coloured.data.subarray(0, 4)], [10, 20, 30, 255]);
  });

  it('serves the model that is named, and says which there are when there is no such one', async () => {
    const response = await server.send('/api/remove', { body: formWith(picture, { model: 'other' }) });
    assert.equal(response.status, 200);
    const error = await errorOf(
      await server.send('/api/remove', { body: formWith(picture, { model: 'u2net' }) }),
    );
    assert.deepEqual([error.status, error.code], [422, 'model_unknown']);
    assert.match(error.message, /tiny, other/);
    assert.equal(error.detail, error.message);
  });

  it('refuses by its name every field that it does not support', async () => {
    const refused: [string, Record<string, string>][] = [
      ['/api/remove', { vm: 'true' }],
      ['/api/remove', { model: 'sam' }],
      ['/api/remove', { bgc: '1,2,3,4' }],
      ['/api/remove', { colour: 'red' }],
      ['/api/remove?om=true', {}],
      [`/api/remove?extras=${encodeURIComponent('{"model_path":"/etc/passwd"}')}`, {}],
    ];
    for (const [target, fields] of refused) {
      const error = await errorOf(await server.send(target, { body: formWith(picture, fields) }));
      assert.deepEqual([error.status, error.code], [422, 'field_unsupported']);
    }
    const matting = await errorOf(
      await server.send('/api/remove', { body: formWith(picture, { vm: 'true' }) }),
    );
    assert.match(matting.message, /The field vm is not supported here: there is no ViTMatte/);
  });

  it('names the missing field file, and the field that is there instead', async () => {
    const error = await errorOf(await server.send('/api/remove', { body: formWith(picture, {}, 'image') }));
    assert.deepEqual([error.status, error.code], [422, 'field_missing']);
    assert.equal((error.details as { field: string }).field, 'file');
    assert.match(error.message, /"image"/);
  });

  it('refuses a body that is no form, and another method', async () => {
    const json = await server.send('/api/remove', {
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    assert.equal((await errorOf(json)).code, 'media_type_unsupported');
    const get = await server.send('/api/remove?url=http://example.org/a.png', { method: 'GET' });
    assert.deepEqual([get.status, (await errorOf(get)).code], [403, 'remote_images_off']);
    const put = await fetch(`${server.url}/api/remove`, { method: 'PUT' });
    assert.deepEqual([put.status, put.headers.get('allow')], [405, 'POST, GET']);
  });
});

describe('POST /v1/cutouts', () => {
  const image = { 'content-type': 'image/png' };

  it('takes the picture as the body, and keeps its colours unless told otherwise', async () => {
    const body = Uint8Array.from(picture);
    const straight = await rawOf(await server.send('/v1/cutouts', { body, headers: image }));
    assert.deepEqual([...straight.data.subarray(0, 4)], [20, 20, 20, 0]);
    const target = '/v1/cutouts?alpha=premultiplied&format=webp&model=tiny';
    const webp = await rawOf(await server.send(target, { body, headers: image }));
    assert.equal(webp.format, 'webp');
  });

  it('takes a form as well, and a background with or without its own alpha', async () => {
    const response = await server.send('/v1/cutouts?background=%23102030', { body: formWith(picture) });
    assert.deepEqual([...(await rawOf(response)).data.subarray(0, 4)], [16, 32, 48, 255]);
    const clear = await server.send('/v1/cutouts?background=%2310203080', { body: formWith(picture) });
    assert.deepEqual([...(await rawOf(clear)).data.subarray(0, 4)], [16, 32, 48, 128]);
  });

  it('names the parameter that is wrong and what is allowed', async () => {
    const body = Uint8Array.from(picture);
    const error = await errorOf(await server.send('/v1/cutouts?output=outline', { body, headers: image }));
    assert.deepEqual([error.status, error.code], [422, 'field_invalid']);
    assert.match(error.message, /output must be cutout \| mask/);
  });
});

describe('what is no picture, or too much of one', () => {
  const send = async (bytes: Uint8Array): Promise<{ status: number; code: string; message: string }> =>
    errorOf(await server.send('/api/remove', { body: formWith(bytes) }));

  it('is answered with a status, a code and a sentence of its own', async () => {
    const frame = { raw: { width: 8, height: 8, channels: 3 } } as const;
    const two = samples(2 * 8 * 8 * 3);
    const animation = sharp(two, { raw: { ...frame.raw, height: 16, pageHeight: 8 } });
    const jpeg = await sharp(samples(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    const huge = Buffer.from(picture);
    huge.writeUInt32BE(30_000, 16);
    huge.writeUInt32BE(30_000, 20);
    const cases: [string, Uint8Array, number, string, RegExp][] = [
      ['empty', Buffer.alloc(0), 422, 'image_empty', /no bytes/],
      ['a truncated JPEG', jpeg.subarray(0, jpeg.length / 2), 422, 'image_damaged', /cut off/],
      ['a truncated PNG', picture.subarray(0, picture.length - 40), 422, 'image_damaged', /cut off/],
      ['a header only', picture.subarray(0, 20), 422, 'image_damaged', /cut off/],
      ['30,000 × 30,000', huge, 422, 'image_too_large', /30000 × 30000.*50000000/],
      [
        'SVG',
        Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'),
        415,
        'image_unsupported',
        /an SVG drawing/,
      ],
      ['HTML', Buffer.from('<!doctype html><p>'), 415, 'image_unsupported', /an HTML page/],
      ['an animated WebP', await animation.clone().webp().toBuffer(), 422, 'image_animated', /one frame/],
      ['an animated GIF', await animation.clone().gif().toBuffer(), 422, 'image_animated', /one frame/],
      [
        'a still GIF',
        await sharp(two.subarray(192), frame).gif().toBuffer(),
        415,
        'image_unsupported',
        /a GIF/,
      ],
      ['text', Buffer.from('hello'), 415, 'image_unsupported', /text/],
    ];
    for (const [name, bytes, status, code, sentence] of cases) {
      const error = await send(bytes);
      assert.deepEqual([name, error.status, error.code], [name, status, code]);
      assert.match(error.message, sentence);
    }
  });

  it('is cut off at the limit of the body, announced or not', async () => {
    const large = new Uint8Array(60_000_000);
    assert.deepEqual([(await send(large)).status, (await send(large)).code], [413, 'body_too_large']);
    const chunk = new Uint8Array(1_000_000);
    const unannounced = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < 60; i++) controller.enqueue(chunk);
        controller.close();
      },
    });
    const response = await server.send('/v1/cutouts', {
      body: unannounced,
      duplex: 'half',
      headers: { 'content-type': 'image/png' },
    });
    assert.deepEqual([response.status, (await errorOf(response)).code], [413, 'body_too_large']);
  });

  it('does not keep the server from serving the next', async () => {
    assert.equal((await server.send('/api/remove', { body: formWith(picture) })).status, 200);
  });
});

describe('the assertion', () => {
  const post = async (assertion: string | undefined): Promise<[number, string]> => {
    const { status, code } = await errorOf(
      await server.send('/api/remove', { body: formWith(picture), assertion }),
    );
    return [status, code];
  };

  it('is needed on every request', async () => {
    assert.deepEqual(await post(undefined), [401, 'assertion_missing']);
  });

  it('opens nothing when it is stale, altered, or for another service, path or method', async () => {
    const stale = await server.assert('/api/remove', { at: new Date(Date.now() - 120_000) });
    assert.deepEqual(await post(stale), [401, 'assertion_expired']);
    const good = await server.assert('/api/remove');
    const [head, body, signature] = good.split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as { principal: { id: string } };
    claims.principal.id = 'user:eve';
    const altered = Buffer.from(JSON.stringify(claims)).toString('base64url');
    assert.deepEqual(await post(`${head}.${altered}.${signature}`), [401, 'assertion_invalid']);
    assert.deepEqual(await post(await server.assert('/api/remove', { aud: 'acme/other' })), [
      401,
      'assertion_wrong_audience',
    ]);
    assert.deepEqual(await post(await server.assert('/api/remove?om=1')), [401, 'assertion_wrong_request']);
    assert.deepEqual(await post(await server.assert('/api/remove', { htm: 'GET' })), [
      401,
      'assertion_wrong_request',
    ]);
  });

  it('opens once', async () => {
    const assertion = await server.assert('/api/remove');
    const first = await server.send('/api/remove', { body: formWith(picture), assertion });
    assert.equal(first.status, 200);
    assert.deepEqual(await post(assertion), [401, 'assertion_replayed']);
  });

  it('may be signed by a key that was added while the server runs', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const signed = (): string =>
      signAssertion(
        {
          aud: 'acme/cutout',
          jti: newUuid(),
          htm: 'POST',
          htu: '/api/remove',
          principal: { id: 'u', tenant: 'acme', kind: 'user', name: 'U', department: '', role: 'viewer' },
        },
        { kid: 'k2', privateKey },
        new Date(),
      );
    assert.deepEqual(await post(signed()), [401, 'assertion_invalid']);
    const path = join(server.folder, 'jwks.json');
    await writeFile(
      `${path}.new`,
      JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k2' }] }),
    );
    await rename(path, `${path}.old`);
    await rename(`${path}.new`, path);
    await until('the new key is taken', async () => {
      const response = await server.send('/api/remove', {
        body: formWith(picture),
        assertion: signed(),
      });
      return response.status === 200;
    });
    await rename(`${path}.old`, path);
    await until('the old key is taken again', async () => {
      const response = await server.send('/api/remove', { body: formWith(picture) });
      return response.status === 200;
    });
  });
});

describe('what a job leaves behind', () => {
  it('is one usage event, under the id of the request, for success and failure alike', async () => {
    const id = newUuid();
    const response = await server.send('/api/remove', { body: formWith(picture), id });
    assert.equal(response.headers.get(header.requestId), id);
    const damaged = newUuid();
    await server.send('/api/remove', {
      body: formWith(picture.subarray(0, picture.length - 40)),
      id: damaged,
    });
    await until('both events are delivered', () => intake.events.has(id) && intake.events.has(damaged));
    const event = intake.events.get(id)?.event;
    assert.equal(event?.outcome, 'succeeded');
    assert.deepEqual([event.units.images, event.units.pixels], [1, SIZE * SIZE]);
    assert.deepEqual([event.tenant, event.service, event.principal], ['acme', 'cutout', 'user:ada']);
    assert.deepEqual(
      [event.model.name, event.route, event.executionProvider],
      ['tiny', '/api/remove', 'cpu'],
    );
    assert.equal(event.bytesIn, picture.length);
    const failed = intake.events.get(damaged)?.event;
    assert.deepEqual([failed?.outcome, failed?.code, failed?.units.images], ['failed', 'image_damaged', 0]);
  });

  it('shows in the metrics, which name no tenant', async () => {
    assert.ok((await server.metric('inference_requests_total', 'outcome="succeeded"')) > 0);
    assert.ok((await server.metric('inference_requests_total', 'reason="image_animated"')) > 0);
    assert.equal(await server.metric('model_loaded{model="tiny",execution_provider="cpu"}'), 1);
    assert.ok((await server.metric('nodejs_eventloop_lag_p99_seconds')) < 1);
    const text = await (await fetch(`${server.probesUrl}/metrics`)).text();
    assert.doesNotMatch(text, /acme/);
  });

  it('is no picture and no picture name in the log', () => {
    assert.doesNotMatch(server.program.log(), /filename|data:image|PNG/);
  });
});
