import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Validator } from '@seriousme/openapi-schema-validator';
import express from 'express';
import fc from 'fast-check';
import pino from 'pino';
import { errorBody } from '../../contracts/error.ts';
import type { Role } from '../../contracts/principal.ts';
import { errorHandler } from '../../foundation/http.ts';
import { claimsOf } from './authenticate.ts';
import { documentOperation, openApiDocument } from './openapi.ts';
import type { Operation } from './operation.ts';
import { operations } from './routes/all.ts';
import type { ApiContext } from './routes/support.ts';
import { expressPath, serve } from './serve.ts';

const everything: readonly Operation[] = [...operations, documentOperation];
/** Whatever gets past the checks finds no database, and fails as a fault of ours. */
const context = { tenants: {}, declared: { services: {}, models: new Map() } } as unknown as ApiContext;

let server: Server;
let role: Role = 'platform-admin';
const app = express();

before(async () => {
  app.use((request, _response, next) => {
    claimsOf.set(request, {
      iss: 'imageplane-gateway',
      ...{ aud: 'imageplane-api', jti: '0198c0de-0000-7000-8000-000000000000', iat: 0, exp: 1 },
      ...{ htm: request.method, htu: request.url },
      principal: { id: 'p', tenant: 't', kind: 'user', name: 'P', department: '', role },
    });
    next();
  });
  serve(app, everything, context);
  app.use(errorHandler(pino({ level: 'silent' })));
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

after(() => {
  server.closeAllConnections();
  server.close();
});

async function ask(
  method: string,
  path: string,
  init: { body?: string; type?: string; language?: string } = {},
): Promise<{ status: number; code: string; message: string; details: unknown }> {
  const { body, type = 'application/json', language = 'en' } = init;
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, {
    method: method.toUpperCase(),
    headers: {
      'accept-language': language,
      ...(body === undefined ? {} : { 'content-type': type }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const { error } = errorBody.parse(await response.json());
  assert.equal(response.headers.get('x-request-id'), error.requestId);
  return { status: response.status, code: error.code, message: error.message, details: error.details };
}

const filled = (path: string): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'line' ? '1' : name === 'name' ? 'some' : '0198c0de-0000-7000-8000-000000000000',
  );

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(openApiDocument());
    assert.ok(valid, JSON.stringify(errors));
  });

  it('has every registered route, and no other', () => {
    const { paths } = openApiDocument() as { paths: Record<string, Record<string, unknown>> };
    const inDocument = Object.entries(paths)
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${expressPath(path)}`))
      .filter((one) => one !== 'post /auth/token');
    const layers = (app as unknown as { router: { stack: { route?: Registered }[] } }).router.stack;
    const registered = layers.flatMap(({ route }) =>
      route === undefined ? [] : Object.keys(route.methods).map((method) => `${method} ${route.path}`),
    );
    assert.ok(registered.length > 50);
    assert.deepEqual(registered.toSorted(), inDocument.toSorted());
  });

  it('names each operation once, and says in both languages what it does', () => {
    const { paths } = openApiDocument() as {
      paths: Record<string, Record<string, { operationId: string; summary: string; 'x-summary-zh': string }>>;
    };
    const all = Object.values(paths).flatMap((methods) => Object.values(methods));
    assert.equal(new Set(all.map(({ operationId }) => operationId)).size, all.length);
    for (const { summary, 'x-summary-zh': zh } of all) {
      assert.match(summary, /^[A-Z]/);
      assert.match(zh, /\p{Script=Han}/u);
      assert.doesNotMatch(zh, /[,;:()]/);
    }
  });

  it('points only at schemas that it has', () => {
    const document = openApiDocument() as { components: { schemas: Record<string, unknown> } };
    const named = JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g);
    for (const [, name = ''] of named) assert.ok(document.components.schemas[name] !== undefined, name);
  });
});

interface Registered {
  path: string;
  methods: Record<string, boolean>;
}

describe('serve', () => {
  it('refuses whoever does not hold the action of an operation, before it reads anything', async (t) => {
    role = 'guest';
    t.after(() => {
      role = 'platform-admin';
    });
    for (const { method, path, access } of everything) {
      if (access.decided !== 'first') continue;
      const refused = await ask(method, filled(path), {
        language: 'zh',
        ...(method === 'get' ? {} : { body: '{' }),
      });
      assert.deepEqual([refused.status, refused.code], [403, 'access_denied'], path);
      assert.match(refused.message, /\p{Script=Han}/u);
    }
  });

  it('refuses, of every operation with a body, what it cannot read, with a code for each way', async () => {
    for (const { method, path, body } of everything) {
      if (body === undefined) continue;
      const at = filled(path);
      assert.equal((await ask(method, at, { body: '{"a":' })).code, 'malformed_json', path);
      const unread = await ask(method, at, { body: 'a=b', type: 'application/x-www-form-urlencoded' });
      assert.deepEqual([unread.status, unread.code], [415, 'media_type_unsupported']);
      const strange = await ask(method, at, { body: '{}', type: 'application/json; charset=utf-17' });
      assert.equal(strange.code, 'media_type_unsupported');
      const large = await ask(method, at, { body: JSON.stringify({ x: 'x'.repeat(400_000) }) });
      assert.deepEqual([large.status, large.code], [413, 'body_too_large']);
      const unknown = await ask(method, at, { body: '{"no such field": 1}' });
      assert.deepEqual([unknown.status, unknown.code], [422, 'field_invalid'], path);
    }
  });

  it('never takes what it is sent for a fault of its own, whatever it is', async () => {
    const bodies = everything.filter(({ body }) => body !== undefined);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...bodies),
        fc.oneof(fc.json(), fc.string()),
        fc.constantFrom('en', 'zh'),
        async ({ method, path, body }, text, language) => {
          fc.pre(text !== '' && body?.safeParse(JSON.parse(jsonOr(text))).success !== true);
          const { status, message } = await ask(method, filled(path), { body: text, language });
          assert.ok(status < 500, `${method} ${path} ${text}`);
          assert.doesNotMatch(message, /Invalid input|Too small|Unrecognized|Required|\bat \S+\.ts/);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('refuses paths that cannot be decoded and control characters in ids', async () => {
    assert.equal((await ask('GET', '/api/v1/applications/%E0%A4%A')).code, 'path_not_canonical');
    assert.equal((await ask('GET', '/api/v1/applications/a%00b')).code, 'field_invalid');
  });
});

function jsonOr(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return '0';
  }
}

describe('field errors', () => {
  const post = (body: object, language = 'en'): ReturnType<typeof ask> =>
    ask('POST', '/api/v1/accounts', { body: JSON.stringify(body), language });

  it('name the field, what it may be and what it is, in both languages', async () => {
    const wrong = { login: 'wang', name: '王芳', role: 'boss' };
    assert.equal(
      (await post(wrong)).message,
      'The field role is wrong: it must be one of platform-admin, tenant-admin, developer, editor, tester, viewer, guest; it is "boss".',
    );
    assert.equal(
      (await post(wrong, 'zh-CN')).message,
      '字段 role 有误：应为以下之一：platform-admin、tenant-admin、developer、editor、tester、viewer、guest，实际为 "boss"。',
    );
    assert.match((await post({ login: 'wang' })).message, /The field name is wrong: it is missing\./);
    assert.match(
      (await post({ ...wrong, role: 'viewer', inviteDays: 99 }, 'zh')).message,
      /inviteDays.*不大于 30 的数，实际为 99/,
    );
    assert.match(
      (await post({ ...wrong, role: 'viewer', tenant: 'x' })).message,
      /The field tenant is wrong: there is no such field here/,
    );
    assert.match(
      (await post({ ...wrong, role: 'viewer', email: 'nobody' }, 'zh')).message,
      /email.*电子邮件地址/,
    );
    assert.match(
      (await post({ ...wrong, role: 'viewer', expiresAt: 'soon' })).message,
      /expiresAt.*2026-01-31T08:00:00Z/,
    );
  });

  it('tell of control characters in names and departments', async () => {
    for (const bad of ['a\u0000b', 'a\u001bb', 'a\nb', 'a\u0085b']) {
      const byName = await post({ login: 'wang', name: bad });
      assert.match(byName.message, /The field name .* without control characters/);
      assert.equal((await post({ login: 'wang', name: 'x', department: bad })).code, 'field_invalid');
    }
  });

  it('never repeat a password', async () => {
    const body = JSON.stringify({ current: 17_171_717, password: ['hunter2hunter2'] });
    const { message, details } = await ask('POST', '/api/v1/me/password', { body });
    assert.match(message, /The field current is wrong: it must be a text\./);
    assert.doesNotMatch(JSON.stringify(details), /17171717|hunter2/);
  });
});
