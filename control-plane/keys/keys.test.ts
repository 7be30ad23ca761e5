import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { importJWK, type JWK } from 'jose';
import { type AssertionStep, file, type KeyRing, nextKeyRing, nextPasswords } from './keys.ts';

const NOTHING: KeyRing = { api: {}, gateway: {}, jwks: {} };
const kidOf = (text: string | undefined): string => (JSON.parse(text ?? '{}') as { kid: string }).kid;
const published = ({ jwks }: KeyRing): string[] =>
  (JSON.parse(jwks[file.jwks] ?? '{"keys":[]}') as { keys: JWK[] }).keys.map(({ kid }) => String(kid));
const signer = ({ gateway }: KeyRing): string => kidOf(gateway[file.assertion]);

describe('keys of an installation', () => {
  it('are made once, and the same whenever asked again', async () => {
    const first = await nextKeyRing(NOTHING, 'keep');
    assert.deepEqual(await nextKeyRing(first, 'keep'), first);
    assert.equal(first.api[file.internalToken], first.gateway[file.internalToken]);
    assert.equal(first.api[file.secretsKey], first.gateway[file.secretsKey]);
    const snapshot = JSON.parse(first.gateway[file.snapshotPublic] ?? '') as JWK;
    assert.equal(snapshot.kid, kidOf(first.api[file.snapshot]));
    assert.equal(snapshot.d, undefined);
    await importJWK(JSON.parse(first.api[file.session] ?? '') as JWK, 'EdDSA');
  });

  it('give no private half to those who only check, and the gateway none that it does not need', async () => {
    const { gateway, jwks } = await nextKeyRing(NOTHING, 'publish');
    assert.doesNotMatch(jwks[file.jwks] ?? '', /"d"/);
    for (const name of [file.snapshot, file.session, file.sessionSeal])
      assert.equal(gateway[name], undefined);
  });

  it('rotate in three steps, so that whatever is signed is always published', async () => {
    const before = await nextKeyRing(NOTHING, 'keep');
    const publishing = await nextKeyRing(before, 'publish');
    assert.equal(signer(publishing), signer(before));
    assert.equal(published(publishing).length, 2);
    const signing = await nextKeyRing(publishing, 'sign');
    assert.notEqual(signer(signing), signer(before));
    assert.deepEqual(new Set(published(signing)), new Set(published(publishing)));
    const retired = await nextKeyRing(signing, 'retire');
    assert.deepEqual(published(retired), [signer(signing)]);
  });

  it('are published in every order of steps, and a step taken twice changes nothing', async () => {
    const steps = fc.array(fc.constantFrom<AssertionStep>('keep', 'publish', 'sign', 'retire'), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        let ring = await nextKeyRing(NOTHING, 'keep');
        for (const step of list) {
          ring = await nextKeyRing(ring, step);
          assert.ok(published(ring).includes(signer(ring)));
          assert.deepEqual(await nextKeyRing(ring, step), ring);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('survive the loss of one of the two Secrets as far as the other knows them', async () => {
    const whole = await nextKeyRing(NOTHING, 'keep');
    const without = await nextKeyRing({ ...whole, gateway: {} }, 'keep');
    assert.equal(without.gateway[file.internalToken], whole.api[file.internalToken]);
    assert.deepEqual(without.api, whole.api);
    // The key that signed before is still accepted, since nobody retired it.
    assert.ok(published(without).includes(signer(whole)));
  });
});

describe('passwords of the trial database', () => {
  it('are made once, and the gateway’s is in both places', () => {
    const first = nextPasswords({ database: {}, gateway: {} });
    assert.equal(first.database['gateway'], first.gateway['password']);
    assert.equal(new Set(Object.values(first.database)).size, 3);
    assert.deepEqual(nextPasswords(first), first);
  });
});
