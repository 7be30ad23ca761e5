import { createHash } from 'node:crypto';
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  type FetchImplementation,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { type AccessTokenClaims, TOKEN_ISSUER, verifyAccessToken } from '../../contracts/access-token.ts';
import type { PrincipalEntry } from '../../contracts/principal.ts';
import { role } from '../../contracts/principal.ts';
import type { Snapshot } from '../../contracts/snapshot.ts';
import { linkId } from '../identity/link-id.ts';
import type { Policies } from './policies.ts';

export type Issuer = Snapshot['issuers'][number];

/** What a bearer token says, once its signature, issuer, audience and time were found right. */
export type VerifiedToken =
  { kind: 'own'; claims: AccessTokenClaims } | { kind: 'issuer'; issuer: Issuer; person: Person };

/** Somebody, as an issuer describes them. */
export interface Person {
  id: string;
  name: string;
  department: string;
  groups: string[];
  /** Milliseconds since 1970. */
  expiresAt: number;
}

export interface TokenVerifier {
  /** `away` when the issuer's keys cannot be had. */
  verify(token: string, policies: Policies, now: Date): Promise<VerifiedToken | 'invalid' | 'away'>;
}

interface TokenVerifierOptions {
  maxEntries: number;
  /** For how long a token that was right is not verified again; whether it still holds is looked up each time. */
  ttlMs: number;
  fetch?: FetchImplementation;
}

/** No issuer's token is good for longer than this, whatever it says of itself. */
const LONGEST_SECONDS = 86_400;
const CLOCK_TOLERANCE_SECONDS = 5;
const MAX_KEY_SETS = 64;

/** Verifies bearer tokens of the API and of the configured issuers. Nothing in a token chooses how it is verified, except between them. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const known = new Map<string, { verified: VerifiedToken; until: number }>();
  const keySets = new Map<string, JWTVerifyGetKey>();

  function keysOf({ jwksUri }: Issuer): JWTVerifyGetKey {
    const found = keySets.get(jwksUri);
    if (found !== undefined) return found;
    if (keySets.size >= MAX_KEY_SETS) keySets.clear();
    const keys = createRemoteJWKSet(new URL(jwksUri), {
      timeoutDuration: 3_000,
      cooldownDuration: 30_000,
      cacheMaxAge: 600_000,
      ...(options.fetch === undefined ? {} : { [customFetch]: options.fetch }),
    });
    keySets.set(jwksUri, keys);
    return keys;
  }

  async function verifyAnew(
    token: string,
    policies: Policies,
    now: Date,
  ): Promise<VerifiedToken | 'invalid' | 'away'> {
    const claimed = claimedIssuer(token);
    if (claimed === TOKEN_ISSUER) {
      const claims = await verifyAccessToken(token, policies.apiKeys, now);
      return claims === undefined ? 'invalid' : { kind: 'own', claims };
    }
    for (const issuer of policies.issuers.filter(({ issuer: name }) => name === claimed)) {
      const person = await verifyOf(issuer, token, keysOf(issuer), now);
      if (person === 'away') return person;
      if (person !== undefined) return { kind: 'issuer', issuer, person };
    }
    return 'invalid';
  }

  return {
    async verify(token, policies, now) {
      // Of the whole token: what begins alike is not the same.
      const name = createHash('sha256').update(token).digest('base64url');
      const remembered = known.get(name);
      if (remembered !== undefined && remembered.until > now.getTime()) return remembered.verified;
      known.delete(name);
      const verified = await verifyAnew(token, policies, now);
      if (typeof verified === 'string') return verified;
      const oldest = known.keys().next().value;
      if (known.size >= options.maxEntries && oldest !== undefined) known.delete(oldest);
      const ends = verified.kind === 'own' ? verified.claims.exp * 1000 : verified.person.expiresAt;
      known.set(name, { verified, until: Math.min(now.getTime() + options.ttlMs, ends) });
      return verified;
    },
  };
}

function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

async function verifyOf(
  issuer: Issuer,
  token: string,
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<Person | 'away' | undefined> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: issuer.algorithms,
      issuer: issuer.issuer,
      audience: issuer.audience,
      requiredClaims: ['exp', 'iat', issuer.claims.id],
      maxTokenAge: LONGEST_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: now,
    });
    return personOf(payload, issuer);
  } catch (error) {
    if (error instanceof errors.JWKSTimeout || isFetchFailure(error)) return 'away';
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/** jose reports an answer other than 200 as a JOSEError of its own code; a refused connection is fetch's TypeError. */
function isFetchFailure(error: unknown): boolean {
  return (
    error instanceof TypeError || (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC')
  );
}

const MAX_TEXT = 256;

function personOf(payload: JWTPayload, { claims }: Issuer): Person | undefined {
  const text = (name: string): string => {
    const value = payload[name];
    return typeof value === 'string' ? value.slice(0, MAX_TEXT) : '';
  };
  const id = payload[claims.id];
  if (typeof id !== 'string' || id === '' || id.length > MAX_TEXT) return undefined;
  const given = payload[claims.groups];
  const groups = (Array.isArray(given) ? (given as unknown[]) : [given]).filter(
    (group) => typeof group === 'string',
  );
  return {
    id,
    name: text(claims.name) || id,
    department: text(claims.department),
    groups,
    expiresAt: (payload.exp ?? 0) * 1000,
  };
}

/**
 * Which principal that is: the one whose account is linked to issuer and subject, or one made of the claims with the
 * highest role that its groups have. `unlinked`: the account is gone or disabled; undefined: no group of it has a role.
 */
export function principalOf(
  { issuer, person }: Extract<VerifiedToken, { kind: 'issuer' }>,
  policies: Policies,
): PrincipalEntry | 'gone' | undefined {
  const linked = policies.links.get(linkId(issuer.issuer, person.id, issuer.tenant));
  if (linked !== undefined) return policies.principals.get(linked) ?? 'gone';
  const roles = person.groups.flatMap((group) =>
    Object.hasOwn(issuer.roles, group) ? [issuer.roles[group]] : [],
  );
  const highest = role.options.find((one) => roles.includes(one));
  if (highest === undefined) return undefined;
  return {
    id: `jwt_${linkId(issuer.issuer, person.id, issuer.tenant).slice(0, 32)}`,
    tenant: issuer.tenant,
    kind: 'user',
    name: person.name,
    department: person.department,
    role: highest,
    epoch: 0,
    customRoles: [],
    projects: [],
  };
}
