import { rateLimitHeaders } from '../limits/headers.ts';
import { addressBlock } from './client-address.ts';
import { bound } from './config.ts';
import type { Exchange, Gateway } from './exchange.ts';
import { refusal } from './messages.ts';

/** One attempt to sign in, from one block of addresses. @throws RequestError 429 */
export function countSignIn({ windows, monotonicMs }: Gateway, { client }: Exchange): void {
  const attempt = windows.signIn.take(addressBlock(client.address), bound.signIns, monotonicMs());
  if (attempt.admitted) return;
  const headers = rateLimitHeaders('sign-in', windows.signIn.windowMs, attempt);
  throw refusal(
    'rate_limited',
    { limit: bound.signIns, retryAfter: Number(headers['retry-after']) },
    headers,
  );
}
