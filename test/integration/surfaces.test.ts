import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
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

const SIZE = 64;
let intake: Intake;
let server: Inference;
let pictures: Server;
let answer: RequestListener;
/** Dark left half, bright right half: the tiny graph's mask is 0 there and 255 here. */
let picture: Buffer;

const picturesUrl = (path: string): string =>
  `http://127.0.0.1:${(pictures.address() as AddressInfo).port}${path}`;

before(async () => {
  const data = Buffer.alloc(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) data.fill(i % SIZE < SIZE / 2 ? 20 : 220, i * 3, i * 3 + 3);
  picture = await sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();
  pictures = createServer((request, response) => {
    answer(request, response);
  });
  await new Promise<void>((resolve) => pictures.listen(0, '127.0.0.1', resolve));
  intake = await startIntake();
  server = await startInference({
    models: { tiny: { width: SIZE, height: SIZE }, other: { width: SIZE, height: SIZE } },
    intakeUrl: intake.url,
    overrides: {
      remoteImages: {
        enabled: true,
        schemes: ['http', 'https'],
        ports: [(pictures.address() as AddressInfo).port, 80],
        allowedNetworks: ['127.0.0.1/32'],
        maxRedirects: 2,
        timeoutSeconds: 2,
      },
      limits: { maxBodyBytes: 1_000_000 },
    },
  });
  await untilReady(server);
});

after(async () => {
  pictures.closeAllConnections();
  pictures.close();
  await server.stop();
  await intake.close();
});

async function isCutout(bytes: Uint8Array): Promise<void> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height, info.channels], [SIZE, SIZE, 4]);
  assert.deepEqual([data[3], data.at(-1)], [0, 255]);
}

async function json(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>;
}

describe('OpenAI’s POST /v1/images/edits', () => {
  const edit = (fields: Record<string, string>, name = 'image'): Promise<Response> =>
    server.send('/v1/images/edits', { body: formWith(picture, fields, name) });
  interface Edited {
    created: number;
    data: { b64_json: string }[];
    background: string;
    output_format: string;
    size: string;
  }

  it('removes the background, in the answer that its clients read', async () => {
    const response = await edit({
      prompt: 'Remove the background',
      model: 'tiny',
      background: 'transparent',
      n: '1',
      size: 'auto',
    });
    assert.equal(response.status, 200);
    const { created, data, ...rest } = (await response.json()) as Edited;
    assert.ok(Math.abs(created - Date.now() / 1000) < 60);
    assert.equal(data.length, 1);
    await isCutout(Buffer.from(data[0]?.b64_json ?? '', 'base64'));
    assert.deepEqual(rest, { background: 'transparent', output_format: 'png', size: '64x64' });
  });

  it('takes the field image[] of a list of one, WebP, and a prompt in Chinese', async () => {
    const response = await edit({ prompt: '去除背景', output_format: 'webp' }, 'image[]');
    const { data } = (await response.json()) as Edited;
    const bytes = Buffer.from(data[0]?.b64_json ?? '', 'base64');
    assert.equal((await sharp(bytes).metadata()).format, 'webp');
  });

  it('takes JSON with a data URL, and with an address', async () => {
    answer = (_request, response) => response.end(picture);
    const urls = [`data:image/png;base64,${picture.toString('base64')}`, picturesUrl('/a.png')];
    for (const image_url of urls) {
      const response = await server.send('/v1/images/edits', {
        body: JSON.stringify({ images: [{ image_url }], prompt: '', n: 1, stream: false }),
        headers: { 'content-type': 'application/json' },
      });
      assert.equal(response.status, 200, response.ok ? '' : await response.text());
      const { data } = (await response.json()) as Edited;
      await isCutout(Buffer.from(data[0]?.b64_json ?? '', 'base64'));
    }
  });

  it('refuses by its name, in OpenAI’s shape, what it cannot do', async () => {
    const cases: [Record<string, string>, string, string][] = [
      [{ prompt: 'Add a hat' }, 'prompt', 'prompt_unsupported'],
      [{ n: '2' }, 'n', 'field_invalid'],
      [{ size: '1024x1024' }, 'size', 'field_invalid'],
      [{ background: 'opaque' }, 'background', 'field_invalid'],
      [{ output_format: 'jpeg' }, 'output_format', 'field_invalid'],
      [{ response_format: 'url' }, 'response_format', 'field_unsupported'],
      [{ stream: 'true' }, 'stream', 'field_unsupported'],
      [{ input_fidelity: 'high' }, 'input_fidelity', 'field_unsupported'],
      [{ user: 'ada' }, 'user', 'field_unsupported'],
      [{ seed: '1' }, 'seed', 'field_unsupported'],
    ];
    for (const [fields, param, code] of cases) {
      const response = await edit(fields);
      const { error } = (await response.json()) as { error: Record<string, unknown> };
      assert.deepEqual([response.status, error['param'], error['code']], [400, param, code]);
      assert.equal(error['type'], 'invalid_request_error');
      assert.match(String(error['message']), new RegExp(param));
    }
    const form = formWith(picture, {}, 'image');
    form.set('mask', new Blob([Uint8Array.from(picture)]), 'mask.png');
    const masked = await json(await server.send('/v1/images/edits', { body: form }));
    assert.equal((masked['error'] as { param: string }).param, 'mask');
  });

  it('names an unknown model as such, and a missing assertion', async () => {
    const unknown = await edit({ model: 'gpt-image-1' });
    const { error } = (await unknown.json()) as { error: Record<string, unknown> };
    assert.deepEqual([unknown.status, error['param'], error['code']], [404, 'model', 'model_unknown']);
    const missing = await server.send('/v1/images/edits', {
      body: formWith(picture, {}, 'image'),
      assertion: undefined,
    });
    const body = (await missing.json()) as { error: Record<string, unknown> };
    assert.deepEqual([missing.status, body.error['type']], [401, 'authentication_error']);
  });

  it('is refused in that shape too where there is nothing', async () => {
    const response = await server.send('/v1/images/generations', { body: '{}' });
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    assert.deepEqual([response.status, error['code'], error['param']], [404, 'not_found', null]);
  });

  it('lists the models', async () => {
    const list = await json(await server.send('/v1/models', { method: 'GET' }));
    const models = list['data'] as { id: string; object: string }[];
    assert.deepEqual([list['object'], models.map(({ id }) => id)], ['list', ['tiny', 'other']]);
    const one = await json(await server.send('/v1/models/tiny', { method: 'GET' }));
    assert.deepEqual([one['id'], one['object']], ['tiny', 'model']);
    assert.equal((await server.send('/v1/models/none', { method: 'GET' })).status, 404);
  });
});

describe('GET /api/remove', () => {
  const get = (url: string, more = ''): Promise<Response> =>
    server.send(`/api/remove?url=${encodeURIComponent(url)}${more}`, { method: 'GET' });
  const codeOf = async (response: Response): Promise<[number, string]> => {
    const { status, code } = await errorOf(response);
    return [status, code];
  };

  it('fetches the picture, over redirects, and means the same as a POST', async () => {
    answer = (request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/a.png' }).end();
      else response.end(picture);
    };
    const [there, posted] = await Promise.all([
      get(picturesUrl('/moved'), '&model=tiny'),
      server.send('/api/remove', { body: formWith(picture, { model: 'tiny' }) }),
    ]);
    assert.equal(there.status, 200);
    assert.deepEqual(await there.arrayBuffer(), await posted.arrayBuffer());
  });

  it('goes to no network but those allowed, in whatever form it is written, nor by a redirect', async () => {
    for (const host of [
      '127.0.0.2',
      'localhost.:80',
      '[::1]',
      '[::ffff:10.0.0.1]',
      '[64:ff9b::a00:1]',
      '169.254.169.254',
      '2130706434',
      '0x7f.0.0.2',
      '10.1.2.3',
    ])
      if (!host.startsWith('localhost'))
        assert.deepEqual(await codeOf(await get(`http://${host}/latest/meta-data`)), [
          400,
          'remote_address_forbidden',
        ]);
    answer = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    assert.deepEqual(await codeOf(await get(picturesUrl('/'))), [400, 'remote_address_forbidden']);
    answer = (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end();
    assert.deepEqual(await codeOf(await get(picturesUrl('/'))), [400, 'remote_address_invalid']);
  });

  it('refuses other schemes, ports, credentials and what is no address', async () => {
    for (const url of [
      'ftp://127.0.0.1/a',
      'file:///etc/passwd',
      'http://127.0.0.1:22/',
      'http://a:b@127.0.0.1/',
      'a.png',
    ])
      assert.deepEqual(await codeOf(await get(url)), [400, 'remote_address_invalid'], url);
  });

  it('bounds redirects, size and time, and says what was answered', async () => {
    answer = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    assert.deepEqual(await codeOf(await get(picturesUrl('/'))), [422, 'remote_fetch_failed']);
    answer = (_request, response) => {
      response.write(Buffer.alloc(600_000));
      response.end(Buffer.alloc(600_000));
    };
    assert.deepEqual(await codeOf(await get(picturesUrl('/'))), [413, 'body_too_large']);
    answer = (_request, response) => response.writeHead(404).end();
    const missing = await errorOf(await get(picturesUrl('/')));
    assert.match(missing.message, /it answered 404/);
    answer = (_request, response) => void response.write('a');
    assert.match((await errorOf(await get(picturesUrl('/')))).message, /took too long/);
  });
});

describe('refusals', () => {
  it('are in the language that is asked for, under the same code', async () => {
    const asked = { body: formWith(picture, { vm: 'true' }), headers: { 'accept-language': 'zh-CN' } };
    const chinese = await server.send('/api/remove', asked);
    assert.equal(chinese.headers.get('x-error-code'), 'field_unsupported');
    assert.equal(
      (await errorOf(chinese)).message,
      '此处不支持字段 vm：没有 ViTMatte；请发送 vm=false 或省略。',
    );
    const missing = await fetch(`${server.url}/nowhere`, { headers: { 'accept-language': 'zh' } });
    assert.match((await errorOf(missing)).message, /这里没有 \/nowhere/);
  });

  it('carry the id of the request', async () => {
    const id = newUuid();
    const response = await server.send('/v1/cutouts?output=x', { id, body: 'x' });
    assert.equal(response.headers.get(header.requestId), id);
    assert.equal(((await json(response)) as { error: { requestId: string } }).error.requestId, id);
  });
});

describe('the documentation', () => {
  it('is a page to send a photo from, which works as a form without scripts', async () => {
    const page = await fetch(`${server.url}/`);
    const html = await page.text();
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.doesNotMatch(html, /<script|https?:\/\//);
    assert.match(html, /action="v1\/cutouts" enctype="multipart\/form-data"/);
    assert.match(html, /name="file" type="file"/);
    const chinese = await fetch(`${server.url}/`, { headers: { 'accept-language': 'zh' } });
    assert.match(await chinese.text(), /<html lang="zh-CN">[^]*去除背景/);
  });

  it('shows every endpoint, parameter and code, in both languages', async () => {
    for (const language of ['en', 'zh']) {
      const headers = { 'accept-language': language };
      const html = await (await fetch(`${server.url}/docs`, { headers })).text();
      const document = await json(await fetch(`${server.url}/openapi.json`, { headers }));
      for (const path of Object.keys(document['paths'] as object)) assert.ok(html.includes(path), path);
      for (const code of Object.keys(document['x-error-codes'] as object))
        assert.ok(html.includes(code), code);
      for (const name of ['bgc', 'extras', 'deadlineSeconds', 'output_format'])
        assert.ok(html.includes(name));
    }
  });
});
