import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { errorBody } from '../../contracts/error.ts';
import { onnxService, type Product, startProduct, tenantYaml, tinyModelYaml } from '../support/product.ts';

let product: Product;
let photo: Buffer;

before(async () => {
  photo = await readFile('examples/photos/astronaut.jpg');
  product = await startProduct({
    objects: async (folder) => [
      tenantYaml('one', { plan: 'enterprise' }),
      tenantYaml('two'),
      tenantYaml('hurried', { limits: { requestsPerMinute: 2 } }),
      tenantYaml('spent', { limits: { requestsPerDay: 1, requestsPerMonth: 1 } }),
      await tinyModelYaml(folder, 'tiny', { width: 64, height: 64 }),
      ...['one', 'two', 'hurried', 'spent'].map((tenant) => onnxService(tenant, 'cutout', 'tiny')),
    ],
  });
});

after(async () => {
  await product.stop();
});

/** A PNG of that many pixels that is a few kilobytes on the wire. */
function hugePng(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  // One bit a pixel, grey.
  head.writeUInt8(1, 8);
  const pixels = deflateSync(Buffer.alloc(height * (1 + Math.ceil(width / 8))), { level: 9 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

async function animated(): Promise<Buffer> {
  const frames = Buffer.concat([Buffer.alloc(16 * 16 * 3, 20), Buffer.alloc(16 * 16 * 3, 220)]);
  return sharp(frames, { raw: { width: 16, height: 32, channels: 3, pageHeight: 16 } })
    .webp({ loop: 0, delay: [100, 100] })
    .toBuffer();
}

const SVG = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
);

interface Request {
  key?: string;
  tenant?: string;
  file?: Buffer;
  fields?: Record<string, string>;
}

async function send({
  key = product.key,
  tenant = 'one',
  file = photo,
  fields = {},
}: Request): Promise<Response> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([Uint8Array.from(file)]), 'photo');
  return fetch(`${product.url}/s/${tenant}/cutout/api/remove`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: form,
  });
}

/** What every refusal owes a person: a status, a stable code, a sentence, and the id that the record has. */
async function assertRefused(
  response: Response,
  status: number,
  code: string,
  sentence: RegExp,
): Promise<void> {
  const text = await response.text();
  const body = JSON.parse(text) as { error: unknown };
  const { error } = errorBody.parse({ error: body.error });
  assert.deepEqual([response.status, error.code], [status, code], text);
  assert.match(error.message, sentence);
  assert.match(error.message, /[.。]$/);
  assert.match(response.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.doesNotMatch(text, /^\s*at |node_modules|\.ts\b/m, 'a stack trace leaves the house');
  console.log(`${status} ${code}: ${error.message}`);
}

describe('bad input', () => {
  const pictures: [string, () => Buffer | Promise<Buffer>, number, string, RegExp][] = [
    ['an empty file', () => Buffer.alloc(0), 422, 'image_empty', /empty|no bytes/],
    [
      'a truncated JPEG',
      () => photo.subarray(0, photo.length / 2),
      422,
      'image_damaged',
      /damaged|truncated|incomplete/,
    ],
    ['a PNG of 30,000 × 30,000', () => hugePng(30_000, 30_000), 422, 'image_too_large', /30[,]?000|pixels/],
    ['an SVG', () => SVG, 415, 'image_unsupported', /SVG/],
    ['an animation', animated, 422, 'image_animated', /frame|animat/],
    [
      'something that is no picture',
      () => Buffer.from('hello '.repeat(100)),
      415,
      'image_unsupported',
      /JPEG/,
    ],
    ['60 MB', () => Buffer.alloc(60_000_000, 7), 413, 'body_too_large', /larger than/],
  ];
  for (const [name, file, status, code, sentence] of pictures)
    it(`${name} is refused with ${status} ${code}`, async () => {
      await assertRefused(await send({ file: await file() }), status, code, sentence);
    });

  it('a field that does not exist, or that is not supported, is refused by its name', async () => {
    await assertRefused(await send({ fields: { om: 'perhaps' } }), 422, 'field_invalid', /om/);
    await assertRefused(await send({ fields: { matte: 'true' } }), 422, 'field_unsupported', /matte/);
    await assertRefused(await send({ fields: { vm: 'true' } }), 422, 'field_unsupported', /vm/);
  });

  it('a wrong key is refused with 401, and a key in the URL with 400', async () => {
    const wrong = `ipk_aaaaaaaaaaaa_${'A'.repeat(43)}`;
    await assertRefused(await send({ key: wrong }), 401, 'key_unknown', /not known/);
    const inUrl = await fetch(`${product.url}/s/one/cutout/api/remove?key=${product.key}`, {
      method: 'POST',
    });
    await assertRefused(inUrl, 400, 'key_in_url', /URL/);
  });

  it("another tenant's service and one that does not exist are refused alike", async () => {
    const other = await send({ tenant: 'two' });
    const none = await send({ tenant: 'nobody' });
    assert.equal((await other.clone().text()).length, (await none.clone().text()).length);
    await assertRefused(other, 404, 'service_not_found', /no such service/);
    await assertRefused(none, 404, 'service_not_found', /no such service/);
  });

  it('more than the limit of a minute is refused with 429 and says when to come back', async () => {
    const key = await product.demoKey('hurried');
    const admitted = [await send({ key, tenant: 'hurried' }), await send({ key, tenant: 'hurried' })];
    assert.deepEqual(
      admitted.map(({ status }) => status),
      [200, 200],
    );
    const refused = await send({ key, tenant: 'hurried' });
    const wait = Number(refused.headers.get('retry-after'));
    assert.ok(wait >= 1 && wait <= 60, `Retry-After: ${wait}`);
    assert.match(refused.headers.get('ratelimit') ?? '', /r=0/);
    await assertRefused(refused, 429, 'rate_limited', /2 requests a minute/);
  });

  it('a spent quota is refused with 429 and says which, and when it resets', async () => {
    const key = await product.demoKey('spent');
    assert.equal((await send({ key, tenant: 'spent' })).status, 200);
    const refused = await send({ key, tenant: 'spent' });
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    await assertRefused(refused, 429, 'quota_spent', /quota/i);
  });

  it('is charged to nobody, and stands in the audit with its code', async () => {
    const { rows } = await product.database.query<{ requests: string }>(
      `SELECT requests FROM imageplane.quota_counter WHERE tenant = 'one' AND period = 'day'`,
    );
    assert.equal(Number(rows[0]?.requests ?? 0), 0);
    const audit = (await (
      await fetch(`${product.url}/api/v1/audit?limit=100`, {
        headers: { authorization: `Bearer ${product.key}` },
      })
    ).json()) as { records: { detail: { status: number; code?: string } }[] };
    const codes = new Set(audit.records.map(({ detail }) => detail.status));
    for (const status of [404, 413, 415, 422]) assert.ok(codes.has(status), `no record of a ${status}`);
  });
});
