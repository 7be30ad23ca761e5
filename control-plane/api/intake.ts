import express, { type Express } from 'express';
import type pg from 'pg';
import {
  type UsageEvent,
  usageEvent,
  usageIntakeRequest,
  type UsageIntakeResponse,
} from '../../contracts/usage-event.ts';
import { refusal } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import { bearerToken } from '../../foundation/secret.ts';
import { recordUsage } from '../quota/usage-events.ts';
import { databaseErrors } from './database-errors.ts';
import type { SenderOf } from './sources.ts';
import { parse } from './routes/support.ts';

const DAY_MS = 86_400_000;
/** An outbox may have waited through a long outage; a clock may be a little ahead. */
const OLDEST_MS = 60 * DAY_MS;
const NEWEST_MS = DAY_MS;

interface IntakeOptions {
  pool: pg.Pool;
  senderOf: SenderOf;
  now: () => Date;
  logger: Logger;
}

/** Usage events of the inference servers: each counts once, by id, for the service whose token brought it. */
export function createIntake({ pool, senderOf, now, logger }: IntakeOptions): Express {
  const app = express().disable('x-powered-by');
  // Before the body: nobody else's is read.
  app.use('/v1/usage-events', async (request, response, next) => {
    const token = bearerToken(request.headers.authorization);
    const sender = token === undefined ? undefined : await senderOf(token);
    if (sender === undefined) throw refusal('token_unknown');
    response.locals['sender'] = sender;
    next();
  });
  app.post('/v1/usage-events', express.json({ limit: '2mb' }), async (request, response) => {
    const sender = String(response.locals['sender']);
    const { events } = parse(usageIntakeRequest, request.body);
    const { good, rejected } = sortEvents(events, sender, now());
    const { recorded: accepted, foreign } = await recordUsage(
      pool,
      good.map(({ event }) => event),
    );
    for (const { index, event } of good)
      if (foreign.has(event.id))
        rejected.push({ index, reason: 'the request was served by another service' });
    if (rejected.length > 0)
      logger.warn({ sender, rejected: rejected.slice(0, 5) }, 'usage events were rejected');
    const answer: UsageIntakeResponse = {
      accepted,
      duplicates: good.length - accepted - foreign.size,
      rejected,
    };
    response.json(answer);
  });
  app.use(() => {
    throw refusal('not_found');
  });
  app.use(databaseErrors);
  app.use(errorHandler(logger));
  return app;
}

function sortEvents(
  events: unknown[],
  sender: string,
  now: Date,
): { good: { index: number; event: UsageEvent }[]; rejected: UsageIntakeResponse['rejected'] } {
  const good: { index: number; event: UsageEvent }[] = [];
  const rejected: UsageIntakeResponse['rejected'] = [];
  for (const [index, value] of events.entries()) {
    const parsed = usageEvent.safeParse(value);
    const reason = parsed.success
      ? unfitness(parsed.data, sender, now)
      : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    if (parsed.success && reason === undefined) good.push({ index, event: parsed.data });
    else rejected.push({ index, reason: reason ?? 'not a usage event' });
  }
  return { good, rejected };
}

function unfitness(event: UsageEvent, sender: string, now: Date): string | undefined {
  if (`${event.tenant}/${event.service}` !== sender) return `this token is for ${sender} alone`;
  const age = now.getTime() - timeOfUuidV7(event.id);
  if (age > OLDEST_MS || age < -NEWEST_MS) return 'the time in the id is too far from now';
  const [begun, ended] = [Date.parse(event.startedAt), Date.parse(event.finishedAt)];
  if (Math.abs(begun - timeOfUuidV7(event.id)) > DAY_MS || ended < begun || ended - begun > DAY_MS)
    return 'startedAt and finishedAt do not fit the time in the id';
  return undefined;
}

/** Milliseconds since 1970 (RFC 9562, section 5.7). */
function timeOfUuidV7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
