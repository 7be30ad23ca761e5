import type { Condition } from '../crds/generated.ts';
import type { ChildFailure } from './children/apply.ts';

/**
 * What is said of an object, in kstatus' terms.
 * - `ready`: everything is as declared.
 * - `progressing`: on the way, and nobody need do anything.
 * - `failed`: it stays so until somebody acts; `message` says who does what.
 */
export interface Verdict {
  state: 'ready' | 'progressing' | 'failed';
  /** Whether it does its work meanwhile: Ready is then True although something is under way or wrong. */
  works?: boolean;
  /** A stable word. */
  reason: string;
  /** A sentence with the next action. */
  message: string;
}

const SETTLED = 'Nothing is under way.';
const HEALTHY = 'Nothing stands in the way.';

/** The conditions Ready, Reconciling and Stalled. `previous` keeps the time of what did not change. */
export function conditionsOf(
  verdict: Verdict,
  generation: number,
  previous: readonly Condition[] | undefined,
  now: () => Date,
): Condition[] {
  const { state, reason, message } = verdict;
  const ready = state === 'ready' || verdict.works === true;
  const make = (type: string, holds: boolean, otherwise?: string): Condition => {
    const status = holds ? 'True' : 'False';
    const before = previous?.find((condition) => condition.type === type);
    const unchanged = before?.status === status;
    return {
      type,
      status,
      observedGeneration: generation,
      lastTransitionTime: unchanged ? before.lastTransitionTime : wholeSeconds(now()),
      reason: otherwise === undefined || holds ? reason : 'AsExpected',
      message: otherwise === undefined || holds ? message : otherwise,
    };
  };
  return [
    make('Ready', ready),
    make('Reconciling', state === 'progressing', SETTLED),
    make('Stalled', state === 'failed', HEALTHY),
  ];
}

/** What an object's condition says of a child that could not be written. */
export function failureVerdict(failure: ChildFailure, count: number): Verdict {
  const { kind, name, reason, message } = failure;
  const more = count === 1 ? '' : ` So did ${count - 1} more.`;
  // Refusals stay until somebody acts; anything else is tried again and may well pass.
  const lasting = ['NameTaken', 'Forbidden', 'Invalid', 'BadRequest', 'UnprocessableEntity'].includes(reason);
  return {
    state: lasting ? 'failed' : 'progressing',
    reason: lasting ? (reason === 'NameTaken' ? 'NameTaken' : 'ChildRefused') : 'Retrying',
    message: lasting
      ? `${kind} ${name} was refused: ${message}.${more} Correct what it names, or ask the platform team.`
      : `${kind} ${name} could not be written and is tried again: ${message}.${more}`,
  };
}

function wholeSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
