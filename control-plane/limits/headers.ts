import type { WindowAnswer } from './sliding-window.ts';

/**
 * `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-11, and `Retry-After` on a refusal.
 * Seconds are rounded up, so that who waits as told is admitted. `t` is the time until more becomes available.
 */
export function rateLimitHeaders(
  policy: string,
  windowMs: number,
  answer: WindowAnswer,
): Record<string, string> {
  const seconds = (ms: number): number => Math.ceil(ms / 1000);
  return {
    ratelimit: `"${policy}";r=${answer.remaining};t=${seconds(answer.resetMs)}`,
    'ratelimit-policy': `"${policy}";q=${answer.limit};w=${seconds(windowMs)}`,
    ...(answer.admitted ? {} : { 'retry-after': String(Math.max(1, seconds(answer.retryAfterMs))) }),
  };
}
