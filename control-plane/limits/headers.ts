import type { WindowAnswer } from './sliding-window.ts';

/** Of one policy. */
export function rateLimitHeaders(
  policy: string,
  windowMs: number,
  answer: WindowAnswer,
): Record<string, string> {
  return rateLimitHeadersOf(windowMs, [{ policy, answer }]);
}

/**
 * `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-11, one item for each policy, and
 * `Retry-After` on a refusal. Seconds are rounded up, so that who waits as told is admitted. `t` is the time until more
 * becomes available.
 */
export function rateLimitHeadersOf(
  windowMs: number,
  policies: readonly { policy: string; answer: WindowAnswer }[],
): Record<string, string> {
  if (policies.length === 0) return {};
  const seconds = (ms: number): number => Math.ceil(ms / 1000);
  const wait = Math.max(...policies.map(({ answer }) => answer.retryAfterMs));
  return {
    ratelimit: policies
      .map(({ policy, answer }) => `"${policy}";r=${answer.remaining};t=${seconds(answer.resetMs)}`)
      .join(', '),
    'ratelimit-policy': policies
      .map(({ policy, answer }) => `"${policy}";q=${answer.limit};w=${seconds(windowMs)}`)
      .join(', '),
    ...(policies.every(({ answer }) => answer.admitted)
      ? {}
      : { 'retry-after': String(Math.max(1, seconds(wait))) }),
  };
}
