import { createRemoteJWKSet, customFetch as joseFetch, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import * as client from 'openid-client';
import { messageOf } from '../../../foundation/errors.ts';
import type { OidcConfig } from './config.ts';
import {
  type Authenticated,
  cleanGroups,
  cleanText,
  type Profile,
  PROVIDER_TIMEOUT_MS,
  providerRefused,
  type ProviderSurroundings,
  type RedirectProvider,
} from './provider.ts';

/** Endpoints and keys move seldom; an issuer that moves them announces it in its metadata. */
const DISCOVERY_MS = 3_600_000;
/** An unknown key id makes the keys be read again, so often at most. */
const JWKS_COOLDOWN_MS = 1_000;

interface Discovered {
  configuration: client.Configuration;
  keys: JWTVerifyGetKey;
}

/**
 * An OpenID provider: authorization code with PKCE, state and nonce. The ID token's signature is checked although it
 * comes straight from the issuer, with pinned algorithms; keys that the issuer has rotated in are fetched at once.
 */
export function createOidcProvider(config: OidcConfig, surroundings: ProviderSurroundings): RedirectProvider {
  const { name, label, tenants, issuer, clientId } = config;
  const discover = discovery(config, surroundings);

  async function verifyIdToken(idToken: string, keys: JWTVerifyGetKey): Promise<Record<string, unknown>> {
    const check = async (): Promise<Record<string, unknown>> => {
      const { payload } = await jwtVerify(idToken, keys, {
        algorithms: config.algorithms,
        issuer,
        audience: clientId,
        requiredClaims: ['sub', 'iat', 'exp'],
        clockTolerance: 30,
        currentDate: surroundings.now(),
      });
      return payload;
    };
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // The keys were read a moment ago, just before the issuer rotated them.
      await new Promise((resolve) => setTimeout(resolve, JWKS_COOLDOWN_MS + 50));
      return check();
    }
  }

  async function profileOf(
    tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers,
    { configuration, keys }: Discovered,
    subject: string | undefined,
  ): Promise<{ profile: Profile; claims: Record<string, unknown> }> {
    const claims = tokens.id_token === undefined ? {} : await verifyIdToken(tokens.id_token, keys);
    const sub = typeof claims['sub'] === 'string' ? claims['sub'] : subject;
    if (sub === undefined || (subject !== undefined && sub !== subject))
      throw new Error('the issuer gave no ID token, or one of another account');
    const { userinfo_endpoint: endpoint } = configuration.serverMetadata();
    const more =
      config.userinfo && endpoint !== undefined
        ? await client.fetchUserInfo(configuration, tokens.access_token, sub)
        : {};
    const all: Record<string, unknown> = { ...claims, ...more };
    const { claims: names } = config;
    return {
      claims,
      profile: {
        subject: sub,
        name: cleanText(all[names.name] ?? all['preferred_username'], sub),
        department: cleanText(all[names.department], ''),
        groups: cleanGroups(all[names.groups]),
      },
    };
  }

  return {
    kind: 'redirect',
    name,
    label,
    tenants,
    issuer,
    needsRefreshToken: true,

    async begin(redirectUri, state) {
      const { configuration } = await discover();
      const verifier = client.randomPKCECodeVerifier();
      const nonce = client.randomNonce();
      const url = client.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: config.scopes.join(' '),
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        // Without it, providers give no refresh token (OpenID Connect Core §11).
        ...(config.scopes.includes('offline_access') ? { prompt: 'consent' } : {}),
      });
      return { url, memory: { verifier, nonce } };
    },

    async complete(callback, state, memory): Promise<Authenticated> {
      const discovered = await discover();
      const { verifier, nonce } = memory;
      if (verifier === undefined || nonce === undefined) throw providerRefused('nothing is remembered of it');
      try {
        const tokens = await client.authorizationCodeGrant(discovered.configuration, callback, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        });
        const { profile, claims } = await profileOf(tokens, discovered, undefined);
        const amr = cleanGroups(claims['amr']).slice(0, 9);
        const at = claims['auth_time'];
        return {
          ...profile,
          amr: amr.length > 0 ? amr : ['fed'],
          authTime: typeof at === 'number' ? new Date(at * 1000) : undefined,
          refreshToken: tokens.refresh_token,
          idToken: tokens.id_token,
        };
      } catch (error) {
        throw isRefusal(error) ? providerRefused(error) : error;
      }
    },

    async standing({ subject, refreshToken }) {
      if (refreshToken === undefined) return { kind: 'unknown' };
      const discovered = await discover();
      try {
        const tokens = await client.refreshTokenGrant(discovered.configuration, refreshToken);
        const { profile } = await profileOf(tokens, discovered, subject);
        return { kind: 'member', profile, refreshToken: tokens.refresh_token ?? refreshToken };
      } catch (error) {
        // RFC 6749 §5.2: the token was used, revoked or ended, or its owner was.
        if (error instanceof client.ResponseBodyError && error.error === 'invalid_grant')
          return { kind: 'unknown' };
        throw error;
      }
    },

    async signOutUrl(idToken, returnTo) {
      if (!config.signOut) return undefined;
      const { configuration } = await discover();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
      return client.buildEndSessionUrl(configuration, {
        post_logout_redirect_uri: returnTo,
        ...(idToken === undefined ? {} : { id_token_hint: idToken }),
      });
    },
  };
}

/** Whether the answer was no, as against there being none. */
function isRefusal(error: unknown): boolean {
  if (error instanceof client.AuthorizationResponseError || error instanceof errors.JOSEError) return true;
  if (error instanceof client.ResponseBodyError) return error.status < 500;
  return (
    error instanceof client.ClientError && !/TIMEOUT|HTTP/.test(String(error.code)) && !causedByNetwork(error)
  );
}

function causedByNetwork({ cause }: Error): boolean {
  return cause instanceof TypeError || /fetch failed/i.test(messageOf(cause));
}

/** Asked once by however many sign-ins at once; a failure is not kept. */
function discovery(
  config: OidcConfig,
  { fetch, now, readSecret }: ProviderSurroundings,
): () => Promise<Discovered> {
  let held: { found: Promise<Discovered>; at: number } | undefined;

  async function ask(): Promise<Discovered> {
    const secret = await readSecret(config.clientSecretFile);
    const configuration = await client.discovery(
      new URL(config.issuer),
      config.clientId,
      undefined,
      client.ClientSecretPost(secret),
      {
        timeout: PROVIDER_TIMEOUT_MS / 1000,
        [client.customFetch]: (url, options) => fetch(url, options as RequestInit),
      },
    );
    const { jwks_uri: jwksUri, issuer } = configuration.serverMetadata();
    if (issuer !== config.issuer) throw new Error(`the issuer calls itself ${issuer}, not ${config.issuer}`);
    if (jwksUri === undefined) throw new Error(`${config.issuer} publishes no keys`);
    const keys = createRemoteJWKSet(new URL(jwksUri), {
      timeoutDuration: PROVIDER_TIMEOUT_MS,
      cooldownDuration: JWKS_COOLDOWN_MS,
      [joseFetch]: (url, options) => fetch(url, options),
    });
    return { configuration, keys };
  }

  return () => {
    if (held !== undefined && now().getTime() - held.at < DISCOVERY_MS) return held.found;
    const mine = { found: ask(), at: now().getTime() };
    held = mine;
    mine.found.catch(() => {
      if (held === mine) held = undefined;
    });
    return mine.found;
  };
}
