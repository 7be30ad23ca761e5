import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from 'jose';
import { canonicalTarget, routeOf } from '../../control-plane/gateway/target.ts';
import { createTokenVerifier } from '../../control-plane/gateway/tokens.ts';
import { issuer, jwks, now, policies, seconds } from '../support/credentials.ts';
import { stops } from './attack.ts';

const METADATA = 'http://169.254.169.254/latest/meta-data/';

interface Verifier {
  verify: (token: string) => Promise<unknown>;
  /** What it has asked for. */
  fetched: string[];
}

/** Fetches keys from where the token says that they are. */
function naiveVerifier(): Verifier {
  const fetched: string[] = [];
  return {
    fetched,
    verify: (token) => {
      const { jku = issuer.jwksUri } = decodeProtectedHeader(token);
      const keys = createRemoteJWKSet(new URL(jku), {
        [customFetch]: (url) => {
          fetched.push(url);
          return Promise.resolve(jwks.answer());
        },
      });
      return jwtVerify(token, keys).catch(() => undefined);
    },
  };
}

function ourVerifier(): Verifier {
  const fetched: string[] = [];
  const verifier = createTokenVerifier({
    maxEntries: 10,
    ttlMs: 1_000,
    fetch: (url) => {
      fetched.push(url);
      return Promise.resolve(jwks.answer());
    },
  });
  return { fetched, verify: (token) => verifier.verify(token, policies, now) };
}

async function byToken({ verify, fetched }: Verifier): Promise<boolean> {
  const { privateKey } = await generateKeyPair('RS256');
  const token = await new SignJWT({ sub: 'u1', iat: seconds, exp: seconds + 60 })
    .setProtectedHeader({ alg: 'RS256', kid: 'x', jku: METADATA })
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .sign(privateKey);
  await verify(token);
  if (fetched.length === 0) throw new Error('no key was asked for');
  return fetched.includes(METADATA);
}

stops('a token that names the place of its keys', byToken, { naive: naiveVerifier, ours: ourVerifier });

/** Where a request for a service would be sent; undefined when it is refused. */
type SentTo = (url: string) => string | undefined;

const SERVICE = 'http://10.1.2.3:8080';

/** Resolves what the client has sent against the service's address. */
const naiveProxy: SentTo = (url) => new URL(url.replace(/^\/s\/acme\/cutout/, ''), SERVICE).host;

const ourProxy: SentTo = (url) => {
  const target = canonicalTarget(url);
  const route = target === undefined ? undefined : routeOf(target);
  return route?.kind === 'service' ? new URL(SERVICE + route.rest).host : undefined;
};

for (const url of [
  METADATA,
  '/s/acme/cutout//169.254.169.254/latest',
  '/s/acme/cutouthttp://169.254.169.254/',
])
  stops(`the request target ${url}`, (sentTo: SentTo) => sentTo(url) === '169.254.169.254', {
    naive: () => naiveProxy,
    ours: () => ourProxy,
  });
