import type { Logger } from '../../foundation/logger.ts';
import type { Database } from '../database/schema.ts';
import { forgetFamilies } from '../identity/applications/tokens.ts';
import { repeat } from './janitor.ts';
import { giveNotices } from './key-notices.ts';
import type { Surroundings } from './keys.ts';
import { disableStale, listStale, type StaleRule } from './stale.ts';

const EVERY_MS = 3_600_000;

interface Context {
  db: Database;
  surroundings: Surroundings;
}

/** Notices of keys that expire, the monthly list of what is unused, and what the rule disables. Safe to repeat. */
export async function tidyIdentities(context: Context, rule: StaleRule, logger: Logger): Promise<void> {
  const notices = await giveNotices(context);
  await listStale(context, rule);
  const disabled = await disableStale(context, rule);
  await forgetFamilies(context.db, context.surroundings.now());
  if (notices + disabled > 0) logger.info({ notices, disabled }, 'accounts and keys were looked through');
}

/** At once, then every hour. Gives how to stop. */
export function startIdentityJanitor(context: Context, rule: StaleRule, logger: Logger): () => void {
  const timer = repeat(EVERY_MS, () => tidyIdentities(context, rule, logger), logger);
  tidyIdentities(context, rule, logger).catch((error: unknown) => {
    logger.warn({ err: error }, 'tidying up failed; it will be tried again');
  });
  return () => {
    clearInterval(timer);
  };
}
