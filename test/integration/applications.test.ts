import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import { until } from '../support/program.ts';

let world: IdentityWorld;
let admin: string;
let issuer: Server;
let issuerUrl: string;
let issuerKeys: { kid: string; privateKey: CryptoKey; jwk: Record<string, unknown> }[] = [];
let jwksAsked = 0;

async function newIssuerKey(kid: string): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  issuerKeys = [{ kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid } }];
}

before(async () => {
  await newIssuerKey('first');
  issuer = createServer((_request, response) => {
    jwksAsked++;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: issuerKeys.map(({ jwk }) => jwk) }));
  });
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  issuerUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  world = await createIdentityWorld(() =>
    Promise.resolve({
      tokenIssuers: [
        {
          issuer: issuerUrl,
          jwksUri: `${issuerUrl}/jwks`,
          audience: 'imageplane',
          algorithms: ['RS256'],
          tenant: 'acme',
          claims: { id: 'sub', name: 'name', department: 'department', groups: 'groups' },
          roles: { designers: 'editor' },
        },
      ],
    }),
  );
  admin = await world.adminKey('acme');
});
after(async () => {
  await world.close();
  await new Promise((resolve) => issuer.close(resolve));
});

async function json<T>(response: Response, status: number): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

interface Secret {
  keyId: string;
  apiKey: string;
  signingSecret: string;
}
interface Token {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}
const create = async (more: object = {}): Promise<{ id: string } & Secret> =>
  json(await world.call(admin, 'POST', '/api/v1/applications', { name: 'shop', ...more }), 201);
const visit = (bearer: string): Promise<Response> => world.call(bearer, 'GET', '/s/acme/echo/x');
/** Through the gateway, as every client. */
const token = (form: Record<string, string>): Promise<Response> =>
  fetch(`${world.url}/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
const clientToken = async ({ keyId, apiKey }: Secret): Promise<Token> =>
  json(await token({ grant_type: 'client_credentials', client_id: keyId, client_secret: apiKey }), 200);
const refresh = (refreshToken: string): Promise<Response> =>
  token({ grant_type: 'refresh_token', refresh_token: refreshToken });

describe('an application', () => {
  it('has an owner, a key that is shown once, and what was last used', async () => {
    const made = await create({ department: '市场部', scopes: { services: ['echo'] } });
    await world.synced();
    assert.equal((await visit(made.apiKey)).status, 200);
    assert.equal(world.upstream.seen.at(-1)?.headers['x-user-id'], made.id);
    const stored = JSON.stringify((await world.db.query('SELECT * FROM imageplane.api_key')).rows);
    assert.ok(stored.includes(createHash('sha256').update(made.apiKey).digest('hex')));
    assert.ok(!stored.includes(made.apiKey.slice(-20)));
    assert.ok(!stored.includes(made.signingSecret.slice(4)));
    interface View {
      owner: string;
      keys: { prefix: string; lastUsedAt: string | null; live: boolean }[];
    }
    const read = async (): Promise<View> =>
      json(await world.call(admin, 'GET', `/api/v1/applications/${made.id}`), 200);
    assert.partialDeepStrictEqual(await read(), {
      owner: 'demo-acme',
      keys: [{ prefix: made.keyId, live: true }],
    });
    await until('its use is known', async () => (await read()).keys[0]?.lastUsedAt !== null);
  });

  it('whose key is confined to services or networks makes none that is not', async () => {
    for (const scopes of [
      { services: ['echo'], actions: ['infer', 'api:call', 'keys:manage'] },
      { cidrs: ['127.0.0.0/8'] },
    ]) {
      const made = await create({ role: 'tenant-admin', scopes });
      await world.synced();
      const whole = await world.call(made.apiKey, 'POST', '/api/v1/keys', { name: 'x', role: 'viewer' });
      assert.equal(whole.status, 403, await whole.text());
      assert.equal((await world.call(made.apiKey, 'GET', '/api/v1/me')).status, 200);
    }
  });

  it('changes over with at most two live keys, the old one for the overlap', async () => {
    const made = await create();
    const keys = `/api/v1/applications/${made.id}/keys`;
    const rotate = (body: object = {}): Promise<Response> => world.call(admin, 'POST', keys, body);
    const both = await Promise.all([rotate(), rotate(), rotate()]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409, 409]);
    const { rows } = await world.db.query<{ days: number }>(
      `SELECT round(extract(epoch FROM expires_at - now()) / 86400)::integer AS days FROM imageplane.api_key
       WHERE principal = $1 ORDER BY expires_at`,
      [made.id],
    );
    assert.deepEqual(
      rows.map(({ days }) => days),
      [14, 90],
    );
    await world.synced();
    assert.equal((await visit(made.apiKey)).status, 200);
    assert.equal((await world.call(admin, 'DELETE', `${keys}/${made.keyId}`)).status, 204);
    await until('the old key is refused', async () => (await visit(made.apiKey)).status === 401);
    const next = await json<Secret>(await rotate({ overlapDays: 0, keyDays: 30 }), 201);
    await world.synced();
    assert.equal((await visit(next.apiKey)).status, 200);
    const { rows: audit } = await world.db.query(
      "SELECT 1 FROM imageplane.audit_record WHERE action LIKE 'keys:%' AND resource = $1",
      [`key:${made.keyId.slice(4)}`],
    );
    assert.equal(audit.length, 2);
  });

  it('belongs to its owner: others of the tenant see nothing of it, other tenants not even that it is', async () => {
    const made = await create({ role: 'viewer' });
    const editor = await create({ role: 'editor' });
    await world.synced();
    const path = `/api/v1/applications/${made.id}`;
    assert.equal(await codeOf(await world.call(editor.apiKey, 'GET', path)), '403 access_denied');
    const foreign = await world.adminKey('strict');
    assert.equal(await codeOf(await world.call(foreign, 'GET', path)), '404 application_not_found');
    const own = await json<{ id: string } & Secret>(
      await world.call(editor.apiKey, 'POST', '/api/v1/applications', { name: 'own', role: 'editor' }),
      201,
    );
    const { applications } = await json<{ applications: { id: string }[] }>(
      await world.call(editor.apiKey, 'GET', '/api/v1/applications'),
      200,
    );
    assert.deepEqual(
      applications.map(({ id }) => id),
      [own.id],
    );
    const more = await world.call(editor.apiKey, 'POST', '/api/v1/applications', {
      name: 'x',
      role: 'developer',
    });
    assert.equal(await codeOf(more), '403 grant_exceeds_own');
    const raised = await world.call(editor.apiKey, 'PATCH', `/api/v1/applications/${own.id}`, {
      role: 'tenant-admin',
    });
    assert.equal(await codeOf(raised), '403 grant_exceeds_own');
  });
});

describe('a token', () => {
  it('is given for a key, and opens what the key opens', async () => {
    const made = await create({ role: 'editor' });
    const given = await clientToken(made);
    assert.equal(given.expires_in, 900);
    await world.synced();
    const answer = await visit(given.access_token);
    assert.equal(answer.status, 200);
    assert.equal(world.upstream.seen.at(-1)?.headers['x-user-id'], made.id);
    for (const [client_id, client_secret] of [
      [made.keyId, `${made.apiKey}x`],
      ['ipk_aaaaaaaaaaaa', made.apiKey],
      [made.keyId, made.signingSecret],
      [made.keyId, "' OR '1'='1"],
    ] as const)
      assert.equal(
        await codeOf(await token({ grant_type: 'client_credentials', client_id, client_secret })),
        '401 invalid_client',
      );
    assert.equal(await codeOf(await token({ grant_type: 'password' })), '400 invalid_request');
    const inUrl = await fetch(`${world.url}/auth/token?client_secret=${made.apiKey}`, { method: 'POST' });
    assert.equal(await codeOf(inUrl), '400 key_in_url');
  });

  it('is refreshed with another refresh token each time; one that comes twice ends the family', async () => {
    const first = await clientToken(await create());
    const second = await json<Token>(await refresh(first.refresh_token), 200);
    await world.synced();
    assert.equal((await visit(second.access_token)).status, 200);
    assert.equal(await codeOf(await refresh(first.refresh_token)), '401 invalid_grant');
    assert.equal(await codeOf(await refresh(second.refresh_token)), '401 invalid_grant');
    await until(
      'its access tokens are refused',
      async () => (await visit(second.access_token)).status === 401,
    );
    assert.equal((await visit(first.access_token)).status, 401);
    const { rows } = await world.db.query(
      "SELECT 1 FROM imageplane.audit_record WHERE action = 'alert' AND rule = 'refresh-token:reused'",
    );
    assert.equal(rows.length, 1);
  });

  it('is given once for one refresh token, however many ask at once', async () => {
    const first = await clientToken(await create());
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(first.refresh_token)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  });

  it('ends with its key', async () => {
    const made = await create();
    const given = await clientToken(made);
    await world.synced();
    assert.equal((await visit(given.access_token)).status, 200);
    await world.call(admin, 'DELETE', `/api/v1/applications/${made.id}/keys/${made.keyId}`);
    await until('the token is refused', async () => (await visit(given.access_token)).status === 401);
    assert.equal(await codeOf(await refresh(given.refresh_token)), '401 invalid_grant');
  });
});

describe("an issuer's token", () => {
  const theirs = async (claims: Record<string, unknown> = {}): Promise<string> => {
    const [key] = issuerKeys;
    assert.ok(key);
    return new SignJWT({
      iss: issuerUrl,
      aud: 'imageplane',
      sub: 'u1',
      name: '李雷',
      groups: ['designers'],
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid })
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(key.privateKey);
  };

  it('is accepted with its claims, and its keys are asked for once', async () => {
    await world.synced();
    const good = await theirs();
    const many = await Promise.all(Array.from({ length: 10 }, () => visit(good)));
    assert.deepEqual(new Set(many.map(({ status }) => status)), new Set([200]));
    assert.equal(decodeURIComponent(String(world.upstream.seen.at(-1)?.headers['x-user-name'])), '李雷');
    assert.equal(await codeOf(await visit(await theirs({ groups: [] }))), '403 token_without_role');
    assert.equal(await codeOf(await visit(await theirs({ aud: 'another' }))), '401 token_invalid');
    assert.equal(jwksAsked, 1);
  });
});
