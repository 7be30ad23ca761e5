import type { ModelConfig } from '../config.ts';
import * as answers from './answers.ts';
import type { Flight } from './flights.ts';
import type { Claim } from './memory-gate.ts';
import type { ModelProcess, Ready } from './model-process.ts';
import type { Problem } from './problem.ts';

/** Why a process was ended, or ended itself. */
export type EndCause =
  | 'deadline'
  | 'cancelled'
  | 'died'
  | 'load_failed'
  | 'runs'
  | 'growth'
  | 'replaced'
  | 'idle'
  | 'evicted'
  | 'requested'
  | 'stopping';

/** A process with its model loaded and warm. */
export interface Resident {
  process: ModelProcess;
  config: ModelConfig;
  ready: Ready;
  claim: Claim;
  runs: number;
  /** When it was warm, and after its last run. */
  warmBytes: number;
  residentBytes: number;
  flight: Flight | undefined;
  /** Resolves when what it does now is done. */
  landed: Promise<void>;
  /** It takes no more jobs, and goes after what it does. */
  leaving: EndCause | undefined;
}

export type BringUp = { ok: true; resident: Resident } | { ok: false; problem: Problem; permanent: boolean };

/** Starts a process and waits until it is ready. What fails gives its claim back. Never rejects. */
export async function bringUp(options: {
  config: ModelConfig;
  claim: Claim;
  process: ModelProcess;
  budget: number;
}): Promise<BringUp> {
  const { config, claim, process, budget } = options;
  const outcome = await process.loaded;
  if (outcome.type === 'ready' && outcome.peakBytes <= budget) {
    claim.adjust(outcome.peakBytes);
    return { ok: true, resident: residentOf(config, process, { ready: outcome, claim }) };
  }
  process.kill();
  await process.exited;
  claim.release();
  const { name } = config;
  if (outcome.type === 'ready') {
    const problem = answers.tooLarge(name, { need: outcome.peakBytes, budget, pinned: 0 });
    return { ok: false, permanent: true, problem };
  }
  if (outcome.type === 'died')
    return {
      ok: false,
      permanent: false,
      problem: answers.diedWhileLoading(name, outcome.cause),
    };
  const { code, message, permanent } = outcome;
  return { ok: false, permanent, problem: { code, message } };
}

function residentOf(
  config: ModelConfig,
  process: ModelProcess,
  { ready, claim }: { ready: Ready; claim: Claim },
): Resident {
  return {
    process,
    config,
    ready,
    claim,
    runs: 0,
    warmBytes: ready.residentBytes,
    residentBytes: ready.residentBytes,
    flight: undefined,
    landed: Promise.resolve(),
    leaving: undefined,
  };
}

const MIB = 2 ** 20;
const PROCESS_BYTES = 128 * MIB;
/** Of its files: weights as stored, as unpacked and as laid out anew for the processor. */
const TIMES_FILES = 3;

/** What a model is reckoned with before it was ever measured. */
export function reckonedBytes(config: ModelConfig): number {
  if (config.memoryMiB !== undefined) return config.memoryMiB * MIB;
  return PROCESS_BYTES + TIMES_FILES * config.files.reduce((sum, { size }) => sum + size, 0);
}
