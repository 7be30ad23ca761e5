import { appendFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { usageIntakeResponse, type UsageEvent } from '../../contracts/usage-event.ts';
import { readSecret } from '../../foundation/config.ts';
import type { Fetch } from '../../foundation/fetch.ts';
import type { Logger } from '../../foundation/logger.ts';

const TIMEOUT_MS = 10_000;
const MAX_REJECTED_BYTES = 16 * 1024 * 1024;

export interface DeliveryOptions {
  url: string;
  /** Read at every delivery: projected tokens change. */
  tokenFile: string;
  /** Rejected events are set aside here, for a person to look at. */
  directory: string;
  fetch: Fetch;
  logger: Logger;
}

/** Gives the function that sends events to the intake; it rejects when they have to be sent again. */
export function createDelivery(options: DeliveryOptions): (events: UsageEvent[]) => Promise<void> {
  const { url, tokenFile, directory, logger } = options;
  return async (events) => {
    const response = await options.fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await readSecret(tokenFile)}` },
      body: JSON.stringify({ events }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`the usage intake answered ${response.status}`);
    }
    const { rejected } = usageIntakeResponse.parse(await response.json());
    if (rejected.length === 0) return;
    logger.error(
      { rejected: rejected.length, reason: rejected[0]?.reason },
      'the usage intake rejected events',
    );
    const lines = rejected.map(
      ({ index, reason }) => `${JSON.stringify({ reason, event: events[index] })}\n`,
    );
    await setAside(join(directory, 'rejected.ndjson'), lines.join(''));
  };
}

/** Appends to a file that is turned over once, so that it cannot fill the disk. */
async function setAside(path: string, text: string): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MAX_REJECTED_BYTES) await rename(path, path.replace(/\.ndjson$/, '.1.ndjson'));
  await appendFile(path, text, { mode: 0o600 });
}
