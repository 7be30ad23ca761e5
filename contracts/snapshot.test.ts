import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CompactSign, generateKeyPair } from 'jose';
import { type SnapshotInput, signSnapshot, snapshot as schema, verifySnapshot } from './snapshot.ts';

const snapshot: SnapshotInput = {
  version: 'v1',
  issuedAt: '2026-11-24T08:00:00.000Z',
  tenants: {},
  services: {},
  principals: {},
  keys: {},
};

describe('a snapshot', () => {
  it('is believed when its signer is the API', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA');
    assert.deepEqual(
      await verifySnapshot(await signSnapshot(snapshot, privateKey), publicKey),
      schema.parse(snapshot),
    );
  });

  it('is refused when it is altered, signed by anyone else, or some other signed thing', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA');
    const stranger = await generateKeyPair('EdDSA');
    const token = await signSnapshot(snapshot, privateKey);
    const [head = '', , signature = ''] = token.split('.');
    const other = Buffer.from(JSON.stringify({ ...snapshot, version: 'v2' })).toString('base64url');
    const sign = (value: unknown, typ: string): Promise<string> =>
      new CompactSign(Buffer.from(JSON.stringify(value)))
        .setProtectedHeader({ alg: 'EdDSA', typ })
        .sign(privateKey);
    for (const forged of [
      `${head}.${other}.${signature}`,
      await signSnapshot(snapshot, stranger.privateKey),
      await sign(snapshot, 'imageplane-assertion+jwt'),
      await sign({ ...snapshot, keys: { short: { id: 'k', principal: 'p' } } }, 'imageplane-snapshot+jws'),
    ])
      await assert.rejects(verifySnapshot(forged, publicKey));
  });
});
