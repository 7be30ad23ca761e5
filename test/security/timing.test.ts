import crypto, { randomBytes } from 'node:crypto';
import { createPasswordHasher, type PasswordHasher } from '../../control-plane/identity/accounts/password.ts';
import type { SignedRequest } from '../../control-plane/identity/signing/signature.ts';
import { generateApiKey } from '../../control-plane/identity/api-key.ts';
import { good, now, policies, refusing, SECRET, seconds } from '../support/credentials.ts';
import { stops } from './attack.ts';
import { workOf } from './work.ts';

/** Looks at a guess; it says nothing but how long it takes. */
type Check = (guess: { keyId: string; signature: string }) => unknown;

/** The comparison is one in constant time, which needs two of one length, for a key that there is. */
const naive: Check = ({ keyId, signature }) => {
  if (keyId !== good.id) return false;
  const expected = crypto.createHmac('sha256', SECRET).update('request').digest();
  const given = Buffer.from(signature, 'base64url');
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
};

const ours: Check = ({ keyId, signature }) => {
  const signed: SignedRequest = {
    ...{ form: 'native', keyId: `ipk_${keyId}`, signature, timestamp: String(seconds) },
    ...{ nonce: 'n'.repeat(16), bodySha256: '0'.repeat(64) },
  };
  const body = (): Promise<undefined> => Promise.resolve(undefined);
  const target = { method: 'GET', path: '/', query: '', toService: true, body };
  return verifier.verify(signed, target, policies, now);
};
const verifier = refusing().signatures;

const differ = async (works: (() => unknown)[]): Promise<boolean> => {
  const all = [];
  for (const work of works) all.push(await workOf(work));
  if (!all.some((one) => one.includes('createHmac') || one.includes('scrypt')))
    throw new Error('no work was seen');
  return new Set(all).size > 1;
};

const targets = { naive: () => naive, ours: () => ours };
const unknown = generateApiKey(randomBytes).id;
const whole = 'A'.repeat(43);

stops(
  'asking for the length of a signature',
  (check: Check) =>
    differ(['A', whole, 'A'.repeat(86)].map((signature) => () => check({ keyId: good.id, signature }))),
  targets,
);
stops(
  'asking which keys there are',
  (check: Check) => differ([good.id, unknown].map((keyId) => () => check({ keyId, signature: whole }))),
  targets,
);

type Verify = (password: string, stored: string | undefined) => Promise<unknown>;

const hasher: PasswordHasher = createPasswordHasher({
  randomBytes,
  concurrency: 1,
  waiting: 1,
  parameters: { ln: 4, r: 8, p: 1 },
});
const stored = await hasher.hash('four plain words here');

stops(
  'asking which accounts there are',
  (verify: Verify) => differ([stored, undefined].map((kept) => () => verify('a guess of mine', kept))),
  {
    naive: () => (password, kept) =>
      kept === undefined ? Promise.resolve(false) : hasher.verify(password, kept),
    ours: () => (password, kept) => hasher.verify(password, kept),
  },
);
