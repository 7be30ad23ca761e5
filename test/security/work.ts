import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { mock } from 'node:test';

const WATCHED = ['createHash', 'createHmac', 'createDecipheriv', 'scrypt', 'timingSafeEqual'] as const;

/**
 * What cryptography somebody does: each call, with the lengths that it works on. It is the part of the time that
 * differs by more than noise, and unlike time it can be compared exactly.
 */
export async function workOf(run: () => unknown): Promise<string> {
  const spies = WATCHED.map((name) => ({ name, spy: mock.method(crypto, name) }));
  syncBuiltinESMExports();
  try {
    await Promise.resolve()
      .then(run)
      .catch(() => undefined);
    return spies
      .flatMap(({ name, spy }) =>
        spy.mock.calls.map(({ arguments: given }) => `${name}(${given.map(lengthOf).join()})`),
      )
      .join(' ');
  } finally {
    for (const { spy } of spies) spy.mock.restore();
    syncBuiltinESMExports();
  }
}

function lengthOf(value: unknown): string {
  if (typeof value === 'string' || value instanceof Uint8Array) return String(value.length);
  return typeof value;
}
