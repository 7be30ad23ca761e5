/** Why a job is not taken: its caller has too much waiting already, or everybody together has. */
export type Refusal = 'caller' | 'everyone';

/** How much more than what is free one caller may hold. */
const SHARE = 2;

/**
 * Dynamic queue-length thresholds (Choudhury and Hahne, 1998): a caller may have waiting at most twice what is still
 * free. One alone gets two thirds of the queue; four at once get two ninths each; and there is always room for one who
 * has nothing waiting, unless the queue is full.
 */
export function admit(queue: { depth: number; waiting: number; ofCaller: number }): Refusal | undefined {
  const free = queue.depth - queue.waiting;
  if (free <= 0) return 'everyone';
  return queue.ofCaller < SHARE * free ? undefined : 'caller';
}
