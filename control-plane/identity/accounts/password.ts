import { scrypt, timingSafeEqual } from 'node:crypto';
import type { Localized } from '../../../foundation/language.ts';

/** `ln` is the logarithm of N. 2^15, 8, 3 takes 32 MiB, and is one of the settings that OWASP holds equal. */
interface Parameters {
  ln: number;
  r: number;
  p: number;
}
const CURRENT: Parameters = { ln: 15, r: 8, p: 3 };
const HASH_BYTES = 32;
const SALT_BYTES = 16;
const STORED = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})$/;

export interface PasswordHasher {
  /** `scrypt$LN$R$P$SALT$HASH`. @throws HasherBusy */
  hash(password: string): Promise<string>;
  /** `stored` undefined: does the same work, and says no. @throws HasherBusy */
  verify(password: string, stored: string | undefined): Promise<{ right: boolean; outdated: boolean }>;
}

/** Too many passwords are being checked at once; nothing was decided. */
export class HasherBusy extends Error {}

export interface HasherOptions {
  randomBytes: (size: number) => Buffer;
  /** At once, each on a thread of its own. */
  concurrency: number;
  /** Waiting besides; beyond it `HasherBusy`. */
  waiting: number;
  parameters?: Parameters;
}

/** scrypt (RFC 7914) with bounded work: a flood of sign-ins must not take the process's threads and memory. */
export function createPasswordHasher(options: HasherOptions): PasswordHasher {
  const current = options.parameters ?? CURRENT;
  const dummy = Buffer.alloc(HASH_BYTES);
  let running = 0;
  const queue: (() => void)[] = [];

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= options.concurrency) {
      if (queue.length >= options.waiting) throw new HasherBusy('too many passwords are being checked');
      // Whoever ends hands over its place without giving it back.
      await new Promise<void>((resolve) => queue.push(resolve));
    } else running++;
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next === undefined) running--;
      else next();
    }
  }

  return {
    hash: (password) =>
      inTurn(async () => {
        const salt = options.randomBytes(SALT_BYTES);
        const derived = await derive(password, salt, current);
        const { ln, r, p } = current;
        return `scrypt$${ln}$${r}$${p}$${salt.toString('base64url')}$${derived.toString('base64url')}`;
      }),
    verify: (password, stored) =>
      inTurn(async () => {
        const parsed = stored === undefined ? undefined : parseStored(stored);
        const { parameters, salt, hash } = parsed ?? {
          parameters: current,
          salt: dummy.subarray(0, SALT_BYTES),
          hash: dummy,
        };
        const same = timingSafeEqual(await derive(password, salt, parameters), hash);
        const { ln, r, p } = parameters;
        return {
          right: same && parsed !== undefined,
          outdated: ln !== current.ln || r !== current.r || p !== current.p,
        };
      }),
  };
}

function parseStored(stored: string): { parameters: Parameters; salt: Buffer; hash: Buffer } | undefined {
  const [, ln, r, p, salt = '', hash = ''] = STORED.exec(stored) ?? [];
  if (ln === undefined) return undefined;
  return {
    parameters: { ln: Number(ln), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  };
}

/** Unicode has several spellings of one text; keyboards differ in which they send (NFKC, as in RFC 8265 §4.2). */
function derive(password: string, salt: Buffer, { ln, r, p }: Parameters): Promise<Buffer> {
  const N = 2 ** ln;
  return new Promise((resolve, reject) => {
    scrypt(
      password.normalize('NFKC'),
      salt,
      HASH_BYTES,
      { N, r, p, maxmem: 128 * N * r * 2 },
      (error, derived) => {
        if (error === null) resolve(derived);
        else reject(error);
      },
    );
  });
}

const SHORTEST = 12;
const LONGEST = 256;

/** Why a password is not taken, after «The password …»; undefined when it is. Length counts, not kinds of characters (NIST SP 800-63B). */
export function passwordProblem(password: string, known: readonly string[]): Localized | undefined {
  const text = password.normalize('NFKC');
  const letters = Array.from(text);
  if (letters.length < SHORTEST)
    return { en: `must have ${SHORTEST} characters at least`, zh: `至少需要 ${SHORTEST} 个字符` };
  if (letters.length > LONGEST)
    return { en: `must have ${LONGEST} characters at most`, zh: `最多 ${LONGEST} 个字符` };
  if (new Set(letters).size < 5)
    return { en: 'must have 5 different characters at least', zh: '至少需要 5 个不同的字符' };
  const lower = text.toLowerCase();
  const given = known.find((word) => word.length >= 4 && lower.includes(word.toLowerCase()));
  if (given !== undefined)
    return { en: 'must not contain the name of the account or of its tenant', zh: '不得包含账号名或租户名' };
  return undefined;
}
