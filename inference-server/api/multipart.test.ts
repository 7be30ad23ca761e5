import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { errorBodyOf, toRequestError } from '../../foundation/errors.ts';
import { sendJson } from '../../foundation/http.ts';
import { discardRest } from './body.ts';
import { readForm } from './multipart.ts';

const MAX_BYTES = 20_000;
let server: Server;
let port: number;

before(async () => {
  server = createServer((request, response) => {
    readForm(request, MAX_BYTES).then(
      ({ fields, files }) => {
        const read = [...files].map(([name, bytes]): [string, string] => [name, bytes.toString('base64')]);
        sendJson(response, 200, { fields: Object.fromEntries(fields), files: Object.fromEntries(read) });
      },
      (error: unknown) => {
        const failure = toRequestError(error);
        sendJson(response, failure.status, errorBodyOf(failure, { requestId: 'test', language: 'en' }));
        discardRest(request, 10 * MAX_BYTES);
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Answer {
  status: number;
  body: {
    fields?: Record<string, string>;
    files?: Record<string, string>;
    error?: { code: string; message: string };
  };
}

/** Sends the body as chunks of its own, so that boundaries fall anywhere. */
async function post(contentType: string, chunks: Uint8Array[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: '127.0.0.1', method: 'POST', headers: { 'content-type': contentType } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (chunk: Buffer) => parts.push(chunk));
        response.on('end', () => {
          const body = JSON.parse(Buffer.concat(parts).toString()) as Answer['body'];
          resolve({ status: response.statusCode ?? 0, body });
        });
      },
    );
    request.on('error', reject);
    for (const chunk of chunks) request.write(chunk);
    request.end();
  });
}

const BOUNDARY = 'boundary-of-the-test';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

function part(name: string | undefined, content: Uint8Array, fileName?: string): Buffer {
  const file = fileName === undefined ? '' : `; filename="${fileName}"\r\nContent-Type: image/png`;
  const named = name === undefined ? '' : `; name="${name}"`;
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data${named}${file}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from('\r\n')]);
}

const END = Buffer.from(`--${BOUNDARY}--\r\n`);

describe('reading a multipart form', () => {
  it('gives back the bytes of the file and the fields, however they were cut into chunks', async () => {
    const contents = fc.uint8Array({ maxLength: 3000 });
    const cuts = fc.array(fc.nat(3000), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(contents, fc.string({ maxLength: 40 }), cuts, async (content, text, at) => {
        const whole = Buffer.concat([part('om', Buffer.from(text)), part('file', content, 'a.png'), END]);
        const edges = [0, ...at.map((cut) => cut % whole.length).sort((a, b) => a - b), whole.length];
        const chunks = edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge));
        const { status, body } = await post(TYPE, chunks);
        assert.equal(status, 200);
        assert.equal(body.fields?.['om'], Buffer.from(text).toString());
        assert.equal(body.files?.['file'], Buffer.from(content).toString('base64'));
      }),
      { numRuns: 60 },
    );
  });

  const refused: [string, string, Buffer, number, string][] = [
    ['a body of another type', 'application/json', Buffer.from('{}'), 415, 'media_type_unsupported'],
    ['a form without its boundary', 'multipart/form-data', Buffer.from('x'), 400, 'malformed_form'],
    [
      'a form that is cut off',
      TYPE,
      part('file', Buffer.from('abc'), 'a.png').subarray(0, -3),
      400,
      'malformed_form',
    ],
    [
      'a part whose header is broken, with a file begun before it',
      TYPE,
      Buffer.concat([
        part('file', Buffer.from('abc'), 'a.png'),
        Buffer.from(`--${BOUNDARY}\r\nno header\r\n\r\nabc\r\n`),
        part('om', Buffer.from('1')),
      ]),
      400,
      'malformed_form',
    ],
    [
      'a long field without a name',
      TYPE,
      Buffer.concat([part(undefined, Buffer.alloc(9000, 'x')), END]),
      400,
      'malformed_form',
    ],
    [
      'a file without a name of its field',
      TYPE,
      Buffer.concat([part(undefined, Buffer.from('abc'), 'a.png'), END]),
      400,
      'malformed_form',
    ],
    ['what is no form at all', TYPE, Buffer.from('hello'), 400, 'malformed_form'],
    [
      'two files',
      TYPE,
      Buffer.concat([part('file', Buffer.from('a'), 'a.png'), part('other', Buffer.from('b'), 'b.png'), END]),
      422,
      'field_unsupported',
    ],
    [
      'a field that comes twice',
      TYPE,
      Buffer.concat([part('om', Buffer.from('1')), part('om', Buffer.from('0')), END]),
      422,
      'field_repeated',
    ],
    [
      'more fields than there are',
      TYPE,
      Buffer.concat([...Array.from({ length: 30 }, (_, i) => part(`f${i}`, Buffer.from('1'))), END]),
      422,
      'form_too_large',
    ],
    [
      'a field that is too long',
      TYPE,
      Buffer.concat([part('om', Buffer.alloc(9000, 'x')), END]),
      422,
      'form_too_large',
    ],
    [
      'too many bytes',
      TYPE,
      Buffer.concat([part('file', Buffer.alloc(30_000), 'a.png'), END]),
      413,
      'body_too_large',
    ],
  ];
  for (const [what, type, bytes, status, code] of refused)
    it(`refuses ${what}`, async () => {
      const answer = await post(type, [bytes]);
      assert.deepEqual([answer.status, answer.body.error?.code], [status, code]);
    });
});
