import {
  isTimely,
  nativeMatches,
  replayKey,
  type SignedRequest,
  simpleMatches,
  MAX_AGE_SECONDS,
} from '../identity/signing/signature.ts';
import type { NonceStore } from '../identity/signing/nonces.ts';
import type { Wrapper } from '../identity/signing/wrap.ts';
import type { SpooledBody } from './body-spool.ts';
import { refusal } from './messages.ts';
import type { KnownKey, Policies } from './policies.ts';

/** What was signed, as it arrived. */
export interface SignedTarget {
  method: string;
  path: string;
  query: string;
  /** Whether it goes to a service: the simple form, which binds no path, is for these alone. */
  toService: boolean;
  /** Reads the whole body before anybody else does. */
  body: () => Promise<SpooledBody | undefined>;
}

export interface SignatureVerifier {
  /** The key that signed. @throws RequestError 401 signature_invalid, signature_replayed; 503 signature_unverifiable */
  verify(signed: SignedRequest, target: SignedTarget, policies: Policies, now: Date): Promise<KnownKey>;
}

interface SignatureVerifierOptions {
  /** Opens signing secrets; absent, nobody can sign. */
  wrapper: Wrapper | undefined;
  nonces: NonceStore;
  /** Stands in for the secret of a key that does not exist, so that looking for one takes as long; of the same form. */
  dummySecret: string;
}

/** Whatever is wrong is told in one sentence, with our time: it may be the clock. */
function invalid(now: Date): ReturnType<typeof refusal> {
  const serverTime = String(Math.floor(now.getTime() / 1000));
  return refusal('signature_invalid', { limit: MAX_AGE_SECONDS, serverTime });
}

export function createSignatureVerifier({
  wrapper,
  nonces,
  dummySecret,
}: SignatureVerifierOptions): SignatureVerifier {
  const wrappedDummy = wrapper?.wrap(dummySecret, '') ?? '';

  function secretOf(key: KnownKey | undefined): string | undefined {
    if (key?.signingSecret !== undefined) return wrapper?.unwrap(key.signingSecret, key.id);
    wrapper?.unwrap(wrappedDummy, '');
    return undefined;
  }

  async function matches(signed: SignedRequest, target: SignedTarget, secret: string): Promise<boolean> {
    if (signed.form === 'native') return nativeMatches(signed, target, secret);
    const body = await target.body();
    return simpleMatches(signed, body?.chunks() ?? [], secret);
  }

  return {
    async verify(signed, target, policies, now) {
      if (signed.form === 'simple' && (target.method !== 'POST' || !target.toService))
        throw refusal('signature_form');
      const key = policies.keysById.get(signed.keyId.slice('ipk_'.length));
      const secret = secretOf(key);
      const timely = isTimely(signed.timestamp, now);
      // A stranger's body is not taken in for a key that cannot be right.
      if (signed.form === 'simple' && (secret === undefined || !timely)) throw invalid(now);
      const right = await matches(signed, target, secret ?? dummySecret);
      if (!right || !timely || key === undefined || secret === undefined || key.expiresAt <= now.getTime())
        throw invalid(now);
      const issuedAt = new Date(Number(signed.timestamp) * 1000);
      // A second more than it is accepted for.
      const expiresAt = new Date(issuedAt.getTime() + (MAX_AGE_SECONDS + 1) * 1000);
      const seen = await nonces.remember(replayKey(signed), issuedAt, expiresAt);
      if (seen === 'replayed') throw refusal('signature_replayed');
      if (seen === 'unknown') throw refusal('signature_unverifiable', { retryAfter: 1 });
      return key;
    },
  };
}
