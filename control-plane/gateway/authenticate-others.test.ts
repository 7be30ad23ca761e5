import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { type CryptoKey, generateKeyPair, SignJWT } from 'jose';
import { linkId } from '../identity/link-id.ts';
import { EMPTY_SHA256, stringToSign } from '../identity/signing/signature.ts';
import type { BasicPrincipal } from './basic.ts';
import type { SpooledBody } from './body-spool.ts';
import {
  ada,
  bearer,
  compiled,
  expired,
  good,
  issuer,
  jwks,
  makeVerifiers,
  orphan,
  outcome,
  refusing,
  seconds,
  SECRET,
  tenant,
  theirs,
} from '../../test/support/credentials.ts';

describe("an issuer's token", () => {
  const theirsOf = async (
    claims: Record<string, unknown> = {},
    header: { alg: string; kid?: string } = { alg: 'RS256', kid: 'r' },
    key: CryptoKey | Uint8Array = theirs,
  ): Promise<string[]> =>
    bearer(
      await new SignJWT({
        iss: issuer.issuer,
        aud: 'imageplane',
        sub: 'u1',
        name: '王芳',
        groups: ['designers', 'others'],
        iat: seconds,
        exp: seconds + 3600,
        ...claims,
      })
        .setProtectedHeader(header)
        .sign(key),
    );

  it('makes a principal of its claims, with the highest role of its groups', async () => {
    const id = `jwt_${linkId(issuer.issuer, 'u1', 'acme').slice(0, 32)}`;
    assert.equal(await outcome(await theirsOf()), `${id} by token`);
    assert.equal(await outcome(await theirsOf({ groups: ['others'] })), 'token_without_role');
    assert.equal(await outcome(await theirsOf({ groups: '__proto__' })), 'token_without_role');
  });

  it('is that of the account which is linked to it, and of nobody when that is gone', async () => {
    const links = { [linkId(issuer.issuer, 'u1', 'acme')]: 'ada' };
    assert.equal(await outcome(await theirsOf(), { against: compiled({ links }) }), 'ada by token');
    const against = compiled({ links, principals: {}, keys: {} });
    assert.equal(await outcome(await theirsOf(), { against }), 'token_invalid');
  });

  it('is refused for another audience, out of time, without an end, or of an unknown issuer', async () => {
    for (const change of [
      { aud: 'another' },
      { exp: seconds - 60 },
      { iat: seconds - 90_000 },
      { iat: seconds + 600 },
      { exp: undefined },
      { sub: '' },
      { sub: 7 },
      { iss: 'https://evil.example' },
    ])
      assert.equal(await outcome(await theirsOf(change)), 'token_invalid', JSON.stringify(change));
  });

  it('is verified with the pinned algorithms alone, whatever its header asks for', async () => {
    const publicText = await jwks.answer().text();
    const confused = await theirsOf({}, { alg: 'HS256', kid: 'r' }, Buffer.from(publicText));
    assert.equal(await outcome(confused), 'token_invalid');
    const pss = await generateKeyPair('PS256');
    assert.equal(
      await outcome(await theirsOf({}, { alg: 'PS256', kid: 'r' }, pss.privateKey)),
      'token_invalid',
    );
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ iss: issuer.issuer, aud: 'imageplane', sub: 'u1', iat: seconds, exp: seconds + 60 })).toString('base64url')}.AA`;
    assert.equal(await outcome(bearer(none)), 'token_invalid');
    const asOurs = await theirsOf({ iss: 'imageplane-api', sub: 'ada' });
    assert.equal(await outcome(asOurs), 'token_invalid');
  });

  it('waits for the issuer when its keys cannot be had', async () => {
    const before = jwks.answer;
    jwks.answer = () => new Response('no', { status: 503 });
    try {
      assert.equal(await outcome(await theirsOf()), 'issuer_unavailable');
    } finally {
      jwks.answer = before;
    }
  });
});

describe('HTTP Basic', () => {
  const basic = (text: string): string[] => [
    'Authorization',
    `Basic ${Buffer.from(text).toString('base64')}`,
  ];

  it('asks once for each credential, remembers a yes, and goes by the whole of it', async () => {
    let asked = 0;
    const verifiers = makeVerifiers(() => {
      asked++;
      return Promise.resolve({ principal: 'ada', epoch: 1 });
    });
    const together = await Promise.all(
      Array.from({ length: 20 }, () => outcome(basic('acme/ada:密码:with colon'), { verifiers })),
    );
    assert.deepEqual(new Set(together), new Set(['ada by basic']));
    assert.equal(await outcome(basic('acme/ada:密码:with colon'), { verifiers }), 'ada by basic');
    assert.equal(asked, 1);
    await outcome(basic('acme/ada:密码:with colo'), { verifiers });
    assert.equal(asked, 2);
    const raised = compiled({ principals: { ada: { ...ada, epoch: 2 } } });
    assert.equal(
      await outcome(basic('acme/ada:密码:with colon'), { verifiers, against: raised }),
      'basic_invalid',
    );
    assert.equal(asked, 3);
  });

  it('is for tenants that allow it, and for nobody of another tenant', async () => {
    const verifiers = makeVerifiers(() => Promise.resolve({ principal: 'ada', epoch: 1 }));
    for (const text of ['plain/ada:x', 'nowhere/ada:x'])
      assert.equal(await outcome(basic(text), { verifiers }), 'basic_invalid');
    const two = compiled({ tenants: { acme: tenant(true), plain: tenant(true) } });
    assert.equal(await outcome(basic('plain/ada:x'), { verifiers, against: two }), 'basic_invalid');
    for (const text of ['ada:x', 'acme/ada', 'acme/:x', '/ada:x', 'acme/ada:'])
      assert.equal(await outcome(basic(text), { verifiers }), 'credentials_unsupported', text);
  });

  it('goes on for those known while the API is away, for a quarter of an hour', async () => {
    let clock = 0;
    let answer = (): Promise<BasicPrincipal> => Promise.resolve({ principal: 'ada', epoch: 1 });
    const verifiers = makeVerifiers(
      () => answer(),
      () => clock,
    );
    assert.equal(await outcome(basic('acme/ada:x'), { verifiers }), 'ada by basic');
    answer = () => Promise.reject(new Error('away'));
    clock = 800_000;
    assert.equal(await outcome(basic('acme/ada:x'), { verifiers }), 'ada by basic');
    assert.equal(await outcome(basic('acme/ada:y'), { verifiers }), 'accounts_unavailable');
    clock = 901_000;
    assert.equal(await outcome(basic('acme/ada:x'), { verifiers }), 'accounts_unavailable');
  });
});

describe('a signed request', () => {
  const body = (text: string): SpooledBody => ({
    size: text.length,
    sha256: createHash('sha256').update(text).digest('hex'),
    async *chunks() {
      yield await Promise.resolve(Buffer.from(text));
    },
    stream: () => assert.fail('nobody forwards it here'),
    dispose: () => Promise.resolve(),
  });
  const target = { method: 'POST', path: '/s/acme/cutout/api/remove', query: '?a=1' };
  const native = (nonce: string, { at = seconds, id = good.id, secret = SECRET } = {}): string[] => {
    const said = { timestamp: String(at), nonce, bodySha256: EMPTY_SHA256 };
    const signature = createHmac('sha256', secret).update(stringToSign(target, said)).digest('base64url');
    return [
      ...['Authorization', `HMAC-SHA256 Credential=ipk_${id}, Signature=${signature}`],
      ...['X-Timestamp', said.timestamp, 'X-Nonce', nonce, 'X-Content-SHA256', EMPTY_SHA256],
    ];
  };
  const simple = (text: string, { at = seconds, id = good.id } = {}): string[] => [
    ...[
      'Authorization',
      `Bearer ipk_${id}:${createHmac('sha256', SECRET)
        .update(String(at) + text)
        .digest('hex')}`,
    ],
    ...['X-Timestamp', String(at)],
  ];

  it('is its key’s, once', async () => {
    const verifiers = refusing();
    const headers = native('n0123456789abcdef');
    assert.equal(await outcome(headers, { verifiers, target }), 'ada by signature');
    assert.equal(await outcome(headers, { verifiers, target }), 'signature_replayed');
    assert.equal(await outcome(native('n0123456789abcdeg'), { verifiers, target }), 'ada by signature');
  });

  it('spends no nonce unless it is right', async () => {
    const verifiers = refusing();
    const elsewhere = { ...target, path: '/s/acme/other/' };
    assert.equal(
      await outcome(native('n0123456789abcdef'), { verifiers, target: elsewhere }),
      'signature_invalid',
    );
    assert.equal(await outcome(native('n0123456789abcdef'), { verifiers, target }), 'ada by signature');
  });

  it('is refused in one way, whether key, signature or time is wrong', async () => {
    for (const headers of [
      native('n0123456789abcdef', { id: 'aaaaaaaaaaaa' }),
      native('n0123456789abcdef', { id: expired.id }),
      native('n0123456789abcdef', { id: orphan.id }),
      native('n0123456789abcdef', { secret: 'another' }),
      native('n0123456789abcdef', { at: seconds - 301 }),
      native('n0123456789abcdef', { at: seconds + 61 }),
      simple('x', { at: seconds - 301 }),
      simple('x', { id: 'aaaaaaaaaaaa' }),
    ])
      assert.equal(
        await outcome(headers, { target: { ...target, body: () => Promise.resolve(body('x')) } }),
        'signature_invalid',
      );
    assert.equal(
      await outcome([...native('n0123456789abcdef'), 'X-Nonce', 'n0123456789abcdef']),
      'signature_malformed',
    );
  });

  it('in the simple form is for posts to services, over the body, once', async () => {
    const verifiers = refusing();
    const posted = { ...target, body: () => Promise.resolve(body('hello')) };
    assert.equal(await outcome(simple('hello'), { verifiers, target: posted }), 'ada by signature');
    assert.equal(await outcome(simple('hello'), { verifiers, target: posted }), 'signature_replayed');
    assert.equal(await outcome(simple('other'), { verifiers, target: posted }), 'signature_invalid');
    assert.equal(await outcome(simple('hello'), { target: { ...posted, method: 'GET' } }), 'signature_form');
    assert.equal(
      await outcome(simple('hello'), { target: { ...posted, toService: false } }),
      'signature_form',
    );
  });

  it('reads no body for a key that cannot be right', async () => {
    let read = 0;
    const counted = {
      ...target,
      body: () => {
        read++;
        return Promise.resolve(body('x'));
      },
    };
    await outcome(simple('x', { id: 'aaaaaaaaaaaa' }), { target: counted });
    await outcome(simple('x', { at: seconds - 400 }), { target: counted });
    await outcome(simple('x', { id: orphan.id }), { target: counted });
    assert.equal(read, 0);
  });
});
