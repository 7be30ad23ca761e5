import { readFile, stat } from 'node:fs/promises';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

const RECHECK_MS = 1_000;

/**
 * Public keys from a JWKS file that is read again when it changes (keys are rotated by publishing the new one first).
 * @throws on the first read, when the file cannot be used; later, the last good keys stay.
 */
export async function jwksFromFile(path: string, now: () => number): Promise<JWTVerifyGetKey> {
  let { mtimeMs } = await stat(path);
  let keys = await readKeys(path);
  let checkedAt = now();
  return async (header, token) => {
    if (now() - checkedAt >= RECHECK_MS) {
      checkedAt = now();
      const changed = await stat(path).catch(() => undefined);
      if (changed !== undefined && changed.mtimeMs !== mtimeMs) {
        const fresh = await readKeys(path).catch(() => undefined);
        if (fresh !== undefined) ({ keys, mtimeMs } = { keys: fresh, mtimeMs: changed.mtimeMs });
      }
    }
    return keys(header, token);
  };
}

async function readKeys(path: string): Promise<JWTVerifyGetKey> {
  return createLocalJWKSet(JSON.parse(await readFile(path, 'utf8')) as JSONWebKeySet);
}
