import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import { v4 } from 'uuid';
import { routeTo } from '../../foundation/address.ts';
import { readSecret } from '../../foundation/config.ts';
import type { Logger } from '../../foundation/logger.ts';
import { createMemoryNonces, createSharedNonces } from '../identity/signing/nonces.ts';
import { createWrapper } from '../identity/signing/wrap.ts';
import type { SharedStore } from '../limits/store.ts';
import type { Verifiers } from './authenticate.ts';
import { askApi, createBasicVerifier } from './basic.ts';
import { createSpool, type Spool } from './body-spool.ts';
import { bound, type GatewayConfig } from './config.ts';
import { createSignatureVerifier } from './signatures.ts';
import { createTokenVerifier } from './tokens.ts';

/** What credentials are checked with, as the configuration says; with a store, nonces are shared by it. */
export async function createVerifiers(
  config: GatewayConfig,
  store: SharedStore | undefined,
  logger: Logger,
): Promise<{ verifiers: Verifiers; spool: Spool; close: () => Promise<void> }> {
  const { secretsKeyFile, snapshot } = config;
  const { url, socketPath } = routeTo(snapshot.url);
  const dispatcher = new Agent({
    connections: 8,
    connect: { timeout: bound.connectTimeout, ...(socketPath === undefined ? {} : { socketPath }) },
  });
  const now = (): Date => new Date();
  const verifiers: Verifiers = {
    tokens: createTokenVerifier({ maxEntries: bound.credentials, ttlMs: bound.credentialTime }),
    basic: createBasicVerifier({
      verify: askApi({
        url: new URL('/internal/v1/basic', url).href,
        token: () => readSecret(snapshot.tokenFile),
        dispatcher,
        logger,
      }),
      secret: randomBytes(32),
      maxEntries: bound.credentials,
      ttlMs: bound.credentialTime,
      awayMs: bound.credentialAway,
      nowMs: () => performance.now(),
    }),
    signatures: createSignatureVerifier({
      wrapper:
        secretsKeyFile === undefined
          ? undefined
          : createWrapper(await readSecret(secretsKeyFile), 'signing-secret', randomBytes),
      nonces:
        store === undefined
          ? createMemoryNonces({ maxEntries: bound.nonces, now })
          : createSharedNonces(store, now),
      dummySecret: `ips_${randomBytes(32).toString('base64url')}`,
    }),
  };
  const spool = createSpool({
    directory: config.spool ?? join(tmpdir(), `imageplane-spool-${process.getuid?.() ?? 0}`),
    memoryBytes: bound.spoolMemory,
    totalBytes: bound.spoolTotal,
    bodies: bound.spoolBodies,
    bodiesPerCaller: bound.spoolBodiesPerCaller,
    newId: () => v4(),
  });
  return { verifiers, spool, close: () => dispatcher.destroy() };
}
