import { readFile, stat } from 'node:fs/promises';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';

const LOOK_EVERY_MS = 1000;

const keySet = z.object({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().min(1), d: z.never().optional() })).min(1),
});

export interface GatewayKeys {
  get: JWTVerifyGetKey;
  /** Why the file could not be read again; the keys read before stay in use. */
  problem(): string | undefined;
}

/**
 * The gateway's public keys from a JWKS file, read again when it changes: a key is rotated without a restart.
 * @throws UsageError when the file cannot be used at the start.
 */
export async function openGatewayKeys(path: string, logger: Logger, now: () => number): Promise<GatewayKeys> {
  let problem: string | undefined;
  let lookedAt = now();
  let version = '';
  let keys: JWTVerifyGetKey;
  try {
    version = await versionOf(path);
    keys = await readKeys(path);
  } catch (error) {
    throw new UsageError(`The gateway's keys cannot be read from ${path}: ${messageOf(error)}`);
  }

  async function look(): Promise<void> {
    try {
      const found = await versionOf(path);
      if (found !== version) {
        keys = await readKeys(path);
        version = found;
        logger.info({ path }, "the gateway's keys were read again");
      }
      problem = undefined;
    } catch (error) {
      problem = `The gateway's keys cannot be read from ${path}: ${messageOf(error)}`;
      logger.error({ err: error }, problem);
    }
  }

  return {
    async get(header, token) {
      if (now() - lookedAt >= LOOK_EVERY_MS) {
        lookedAt = now();
        await look();
      }
      return keys(header, token);
    },
    problem: () => problem,
  };
}

/** A mounted secret changes by a link to another file: its inode changes even where times do not. */
async function versionOf(path: string): Promise<string> {
  const { ino, mtimeMs, size } = await stat(path);
  return `${ino}:${mtimeMs}:${size}`;
}

async function readKeys(path: string): Promise<JWTVerifyGetKey> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  keySet.parse(value);
  return createLocalJWKSet(value as JSONWebKeySet);
}
