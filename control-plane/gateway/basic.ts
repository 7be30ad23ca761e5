import { createHmac } from 'node:crypto';
import { type Dispatcher, request } from 'undici';
import { z } from 'zod';
import type { Logger } from '../../foundation/logger.ts';

/** Whose password it is, and of which epoch. */
export interface BasicPrincipal {
  principal: string;
  epoch: number;
}

export type BasicAnswer = BasicPrincipal | 'refused' | 'away';

export interface BasicCredential {
  tenant: string;
  login: string;
  password: string;
  /** All that was sent: nothing less is remembered. */
  whole: string;
}

export interface BasicVerifier {
  /** What is known without asking. */
  remembered(credential: BasicCredential): BasicPrincipal | undefined;
  ask(credential: BasicCredential, clientIp: string): Promise<BasicAnswer>;
}

export interface BasicOptions {
  /** Asks the API. Rejects when it is away. */
  verify: (credential: BasicCredential, clientIp: string) => Promise<BasicPrincipal | 'refused'>;
  /** Of this process: what is remembered says nothing to anybody else. */
  secret: Buffer;
  maxEntries: number;
  ttlMs: number;
  /** How long one that was right is good for while the API is away. */
  awayMs: number;
  nowMs: () => number;
}

/** Asks the API once for each credential, however many requests carry it, and remembers a yes for a while. */
export function createBasicVerifier(options: BasicOptions): BasicVerifier {
  const { verify, secret, maxEntries, ttlMs, awayMs, nowMs } = options;
  const known = new Map<string, BasicPrincipal & { at: number }>();
  const asking = new Map<string, Promise<BasicAnswer>>();
  const nameOf = ({ whole }: BasicCredential): string =>
    createHmac('sha256', secret).update(whole).digest('base64url');
  const within = (name: string, ms: number): BasicPrincipal | undefined => {
    const found = known.get(name);
    return found !== undefined && nowMs() - found.at < ms
      ? { principal: found.principal, epoch: found.epoch }
      : undefined;
  };

  async function ask(name: string, credential: BasicCredential, clientIp: string): Promise<BasicAnswer> {
    try {
      const answer = await verify(credential, clientIp);
      known.delete(name);
      if (answer === 'refused') return answer;
      const oldest = known.keys().next().value;
      if (known.size >= maxEntries && oldest !== undefined) known.delete(oldest);
      known.set(name, { ...answer, at: nowMs() });
      return answer;
    } catch {
      return within(name, awayMs) ?? 'away';
    }
  }

  return {
    remembered: (credential) => within(nameOf(credential), ttlMs),
    ask(credential, clientIp) {
      const name = nameOf(credential);
      const already = asking.get(name);
      if (already !== undefined) return already;
      const answer = ask(name, credential, clientIp).finally(() => asking.delete(name));
      asking.set(name, answer);
      return answer;
    },
  };
}

const answerSchema = z.strictObject({ principal: z.string().min(1), epoch: z.int().nonnegative() });

/** The question to the API's internal port, with the gateway's token. */
export function askApi(options: {
  url: string;
  token: () => Promise<string>;
  dispatcher: Dispatcher;
  logger: Logger;
}): BasicOptions['verify'] {
  return async ({ tenant, login, password }, clientIp) => {
    const { statusCode, body } = await request(options.url, {
      method: 'POST',
      dispatcher: options.dispatcher,
      headers: { authorization: `Bearer ${await options.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ tenant, login, password, clientIp }),
      headersTimeout: 5_000,
      bodyTimeout: 5_000,
    });
    const text = await body.text();
    if (statusCode === 403 || statusCode === 422) return 'refused';
    if (statusCode !== 200) {
      options.logger.warn({ statusCode }, 'the API did not say whether a password is right');
      throw new Error(`the API answered ${statusCode}`);
    }
    return answerSchema.parse(JSON.parse(text));
  };
}
