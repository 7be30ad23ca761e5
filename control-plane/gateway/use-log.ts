import type { Pool } from 'pg';
import type { Logger } from '../../foundation/logger.ts';

/** When keys, principals and grants were last used: told in batches, since nobody asks to the second. */
export interface UseLog {
  note(use: { at: Date; principal: string; keyId: string | undefined; rule: string }): void;
  /** Tells what is left, once. */
  stop(): Promise<void>;
}

const EVERY_MS = 5_000;
const MAX_ENTRIES = 20_000;

export function startUseLog(pool: Pick<Pool, 'query'>, logger: Logger): UseLog {
  let uses = new Map<string, { kind: string; id: string; at: string }>();

  function add(kind: string, id: string, at: Date): void {
    const name = `${kind} ${id}`;
    // What does not fit is noted at its next use.
    if (uses.size < MAX_ENTRIES || uses.has(name)) uses.set(name, { kind, id, at: at.toISOString() });
  }

  async function tell(): Promise<void> {
    if (uses.size === 0) return;
    const told = uses;
    uses = new Map();
    try {
      await pool.query('SELECT imageplane.note_use($1::jsonb)', [JSON.stringify([...told.values()])]);
    } catch (error) {
      logger.warn({ err: error }, 'what was last used could not be told; it will be tried again');
      for (const [name, use] of told) if (!uses.has(name) && uses.size < MAX_ENTRIES) uses.set(name, use);
    }
  }

  const timer = setInterval(() => void tell(), EVERY_MS);
  return {
    note({ at, principal, keyId, rule }) {
      if (principal !== '') add('principal', principal, at);
      if (keyId !== undefined) add('key', keyId, at);
      if (rule.startsWith('grant:')) add('rule', rule, at);
    },
    async stop() {
      clearInterval(timer);
      await tell();
    },
  };
}
