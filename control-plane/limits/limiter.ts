import type { WindowAnswer } from './sliding-window.ts';

/** Requests in any window of time. */
export interface WindowClaim {
  /** For headers and records: `requests`, `service`, `user`, `views`. */
  policy: string;
  key: string;
  limit: number;
}

/** What may be in flight at one moment; 0 is no bound. */
export interface LeaseBound {
  requests: number;
  pixels: number;
  steps: number;
}

export interface LeaseClaim {
  /** `tenant`, `service`, `user`. */
  policy: string;
  key: string;
  bound: LeaseBound;
}

/** One request's claims: it gets all of them or none. */
export interface Claims {
  /** The request's. */
  id: string;
  windows: readonly WindowClaim[];
  leases: readonly LeaseClaim[];
  /** What it holds while it is in flight. */
  weight: { pixels: number; steps: number };
}

export type LimitAnswer =
  | {
      kind: 'admitted';
      /** When, in milliseconds since the epoch, by the clock that counted it. */
      at: number;
      windows: WindowAnswer[];
    }
  /** Nothing was counted. */
  | { kind: 'window'; policy: string; windows: WindowAnswer[] }
  | { kind: 'lease'; policy: string; what: keyof LeaseBound; limit: number; windows: WindowAnswer[] }
  /** Nobody can say what the others have admitted. */
  | { kind: 'unavailable'; retryAfterMs: number };

export interface Limiter {
  readonly windowMs: number;
  take(claims: Claims): Promise<LimitAnswer>;
  /** The request has ended: it is in flight no more. */
  release(claims: Claims): void;
  /** It was not served after all: it is not counted either. */
  giveBack(claims: Claims): void;
  /** Whether it works with less than the limits, since what is shared is out of reach. */
  away(): boolean;
  /** Whether it ever had what is shared: before that it admits nobody. */
  everReached(): boolean;
  /** What is wrong with it, in a sentence. */
  problem(): string | undefined;
  close(): Promise<void>;
}
