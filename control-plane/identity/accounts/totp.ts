import { createHmac, timingSafeEqual } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP_SECONDS = 30;
const DIGITS = 6;
/** Steps before and after the present one whose codes are taken too: clocks differ, and people type. */
const DRIFT = 1;

/** RFC 4648 §6, without padding. */
export function base32(bytes: Uint8Array): string {
  let bits = 0;
  let held = 0;
  let text = '';
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET.charAt((held >> bits) & 31);
    }
  }
  return bits === 0 ? text : text + ALPHABET.charAt((held << (5 - bits)) & 31);
}

/** Undefined when the text holds anything else. */
export function fromBase32(text: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text.toUpperCase().replace(/[\s=-]/g, '')) {
    const value = ALPHABET.indexOf(letter);
    if (value === -1) return undefined;
    held = ((held << 5) | value) & 0xffff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return Buffer.from(bytes);
}

/** HOTP (RFC 4226 §5.3) of a time step (RFC 6238): SHA-1, which is what authenticator apps compute. */
export function codeOfStep(secret: Uint8Array, step: number, digits = DIGITS): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = mac.readUInt8(mac.length - 1) & 0xf;
  const number = (mac.readUInt32BE(offset) & 0x7fff_ffff) % 10 ** digits;
  return String(number).padStart(digits, '0');
}

export function stepAt(now: Date): number {
  return Math.floor(now.getTime() / 1000 / STEP_SECONDS);
}

/**
 * The step whose code was given, later than `lastStep`: a code that was taken once is not taken again. Undefined when
 * there is none. Every step is compared, in constant time.
 */
export function matchingStep(
  secret: Uint8Array,
  code: string,
  lastStep: number,
  now: Date,
): number | undefined {
  const given = Buffer.from(code.replace(/\s/g, ''));
  const present = stepAt(now);
  let found: number | undefined;
  for (let step = present - DRIFT; step <= present + DRIFT; step++) {
    const expected = Buffer.from(codeOfStep(secret, step));
    const same = given.length === expected.length && timingSafeEqual(given, expected);
    if (same && step > lastStep) found = step;
  }
  return found;
}

/** What authenticator apps read, as a link or a QR code. */
export function otpauthUri(secret: string, account: string): string {
  const label = encodeURIComponent(`Imageplane:${account}`);
  return `otpauth://totp/${label}?secret=${secret}&issuer=Imageplane&algorithm=SHA1&digits=${DIGITS}&period=${STEP_SECONDS}`;
}

/** 20 random bytes, as RFC 4226 §4 recommends, in base32. */
export function newTotpSecret(randomBytes: (size: number) => Uint8Array): string {
  return base32(randomBytes(20));
}

/** Sixteen letters of five bits each: too many to be guessed from their SHA-256. */
export function newRecoveryCode(randomBytes: (size: number) => Uint8Array): string {
  return base32(randomBytes(10)).match(/.{4}/g)?.join('-') ?? '';
}

/** As it is hashed: however it was typed. Undefined when it is none. */
export function canonicalRecoveryCode(text: string): string | undefined {
  const letters = text.toUpperCase().replace(/[\s-]/g, '');
  return /^[A-Z2-7]{16}$/.test(letters) ? letters : undefined;
}
