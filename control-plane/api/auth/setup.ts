import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { calculateJwkThumbprint, createLocalJWKSet, exportJWK, generateKeyPair, importJWK } from 'jose';
import { z } from 'zod';
import { readSecret } from '../../../foundation/config.ts';
import { UsageError } from '../../../foundation/errors.ts';
import { createSlidingWindow } from '../../limits/sliding-window.ts';
import { createProviders } from '../../identity/providers/create.ts';
import type { TenantGroups } from '../../identity/providers/membership.ts';
import type { SessionKey } from '../../identity/sessions.ts';
import { createWrapper } from '../../identity/signing/wrap.ts';
import type { ApiConfig } from '../config.ts';
import type { BaseContext } from '../routes/support.ts';
import type { AuthContext } from './context.ts';

const ATTEMPTS_MS = 15 * 60_000;
const ATTEMPT_KEYS = 20_000;

/** What `/auth` needs, from the configuration. @throws UsageError */
export async function createAuthContext(
  config: Pick<ApiConfig, 'identityProviders' | 'objects' | 'recheck' | 'sessions'>,
  context: BaseContext & Pick<AuthContext, 'logger'> & { tenantGroups: TenantGroups },
): Promise<AuthContext> {
  const { surroundings, logger, tenantGroups } = context;
  const { now, newId, randomBytes } = surroundings;
  const unknown = undeclared(config.identityProviders, tenantGroups);
  // In a cluster they may be declared later; until then nobody gets in there.
  if (unknown !== undefined && 'paths' in config.objects) throw new UsageError(unknown);
  if (unknown !== undefined) logger.warn(unknown);
  if (config.sessions === undefined && config.identityProviders.length > 0)
    throw new UsageError(
      'identityProviders need sessions.key and sessions.sealKeyFile, which stay over restarts.',
    );
  if (config.sessions === undefined)
    logger.warn('sessions.key is not set: browser sessions end whenever this process does');
  const key =
    config.sessions === undefined ? await ephemeralKey() : await readSessionKey(config.sessions.key);
  const sealKey =
    config.sessions === undefined
      ? randomBytes(32).toString('base64url')
      : await readSecret(config.sessions.sealKeyFile);
  return {
    ...context,
    providers: createProviders(config.identityProviders, { fetch, now, readSecret }),
    wrapper: createWrapper(sealKey, 'sign-in', randomBytes),
    sessions: { key, now, newId },
    sessionKeys: createLocalJWKSet({ keys: [key.publicJwk] }),
    attempts: createSlidingWindow({ windowMs: ATTEMPTS_MS, maxKeys: ATTEMPT_KEYS }),
    monotonicMs: () => performance.now(),
    minutes: config.recheck.minutes,
    graceMinutes: config.recheck.graceMinutes,
  };
}

function undeclared(
  providers: ApiConfig['identityProviders'],
  tenantGroups: TenantGroups,
): string | undefined {
  for (const { name, tenants } of providers) {
    const tenant = tenants.find((one) => !tenantGroups.has(one));
    if (tenant !== undefined)
      return `The identity provider ${name} names the tenant ${tenant}, which is not declared.`;
  }
  return undefined;
}

const ed25519 = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().min(1),
  d: z.string().min(1),
  kid: z.string().min(1).optional(),
});

async function readSessionKey(path: string): Promise<SessionKey> {
  const jwk = ed25519.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!jwk.success) throw new UsageError(`${path} is not a private Ed25519 key in JWK form.`);
  return sessionKey(jwk.data);
}

async function ephemeralKey(): Promise<SessionKey> {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  return sessionKey(ed25519.parse(await exportJWK(privateKey)));
}

async function sessionKey({ kty, crv, x, d, kid }: z.infer<typeof ed25519>): Promise<SessionKey> {
  const privateKey = await importJWK({ kty, crv, x, d }, 'EdDSA');
  if (privateKey instanceof Uint8Array) throw new UsageError('A secret is no key for sessions.');
  const id = kid ?? (await calculateJwkThumbprint({ kty, crv, x }));
  return { kid: id, privateKey, publicJwk: { kty, crv, x, kid: id, alg: 'EdDSA', use: 'sig' } };
}
