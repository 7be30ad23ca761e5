import express, { type Request } from 'express';
import { z } from 'zod';
import type { Principal } from '../../../contracts/principal.ts';
import { callerOf } from '../authenticate.ts';
import { closeReview, decideLine, listReviews, openReview, readReview } from '../reviews.ts';
import { readStale } from '../stale.ts';
import { demand, parse, type Routes } from './support.ts';

const page = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
const decision = z.strictObject({ decision: z.enum(['keep', 'withdraw']) });
const place = z.strictObject({ id: z.uuid(), line: z.coerce.number().int().positive() });
const month = z.strictObject({
  month: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'Expected YYYY-MM')
    .optional(),
});

/** Access reviews and the monthly list of what is unused: an administrator's work. */
export const reviewRoutes: Routes = (app, context) => {
  const administrator = (request: Request): Principal => {
    const caller = callerOf(request).principal;
    demand(caller, 'members:manage', 'account');
    return caller;
  };
  const idOf = (request: Request): string => parse(place.pick({ id: true }), { id: request.params['id'] }).id;

  app.get('/api/v1/access-reviews', async (request, response) => {
    const { tenant } = administrator(request);
    response.json({ reviews: await listReviews(context.db, tenant) });
  });

  app.post('/api/v1/access-reviews', async (request, response) => {
    response.status(201).json(await openReview(context, administrator(request)));
  });

  app.get('/api/v1/access-reviews/:id', async (request, response) => {
    const { tenant } = administrator(request);
    response.json(await readReview(context.db, tenant, idOf(request), parse(page, request.query)));
  });

  app.post(
    '/api/v1/access-reviews/:id/lines/:line',
    express.json({ limit: '1kb' }),
    async (request, response) => {
      const caller = administrator(request);
      const { id: review, line } = parse(place, request.params);
      await decideLine(context, caller, { review, line, ...parse(decision, request.body) });
      response.status(204).end();
    },
  );

  app.post('/api/v1/access-reviews/:id/close', async (request, response) => {
    await closeReview(context, administrator(request), idOf(request));
    response.status(204).end();
  });

  app.get('/api/v1/stale', async (request, response) => {
    const { tenant } = administrator(request);
    const asked = parse(month, request.query).month ?? context.surroundings.now().toISOString().slice(0, 7);
    response.json({ month: asked, lines: await readStale(context.db, tenant, asked) });
  });
};
