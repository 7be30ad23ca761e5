import { z } from 'zod';
import { PROVIDER_TIMEOUT_MS, type ProviderSurroundings } from './provider.ts';

const MAX_BYTES = 1024 * 1024;

export interface JsonRequest {
  url: string | URL;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: unknown;
}

export interface JsonAnswer {
  status: number;
  body: Record<string, unknown>;
}

/**
 * One request of a provider that speaks JSON. No redirects, a time limit, a bounded answer. What the status and the
 * provider's own code mean is the caller's to judge: some say no with a 200.
 * @throws Error when there is no answer, or none in JSON.
 */
export async function requestJson(
  { fetch }: Pick<ProviderSurroundings, 'fetch'>,
  { url, method = 'GET', headers = {}, body }: JsonRequest,
): Promise<JsonAnswer> {
  const response = await fetch(url, {
    method,
    redirect: 'error',
    signal: AbortSignal.timeout(PROVIDER_TIMEOUT_MS),
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const where = new URL(url).pathname;
  const text = await boundedText(response, where);
  try {
    return { status: response.status, body: z.record(z.string(), z.unknown()).parse(JSON.parse(text)) };
  } catch {
    throw new Error(`${where} answered ${response.status}, and not in JSON`);
  }
}

async function boundedText(response: Response, where: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > MAX_BYTES) throw new Error(`${where} answered with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A token that is good for some time: asked for once, by however many callers at once, and again before it ends. */
export function cachedToken(
  now: () => Date,
  ask: () => Promise<{ token: string; seconds: number }>,
): { get(): Promise<string>; forget(): void } {
  let held: { token: Promise<string>; until: number } | undefined;
  return {
    get() {
      if (held !== undefined && now().getTime() < held.until) return held.token;
      const asked = ask();
      const mine = { token: asked.then(({ token }) => token), until: now().getTime() + PROVIDER_TIMEOUT_MS };
      held = mine;
      asked.then(
        ({ seconds }) => {
          // A margin, so that it does not end on the way.
          mine.until = now().getTime() + Math.max(0, seconds - 120) * 1000;
        },
        () => {
          if (held === mine) held = undefined;
        },
      );
      return mine.token;
    },
    forget() {
      held = undefined;
    },
  };
}
