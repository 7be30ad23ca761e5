import express, { type Request } from 'express';
import { z } from 'zod';
import { canonicalAddress } from '../../access/addresses.ts';
import { actions } from '../../access/roles.ts';
import { effectiveOf, explainAccess } from '../access/explain.ts';
import { expiresAt as time, id } from '../access/schemas.ts';
import { callerOf } from '../authenticate.ts';
import { parse, type Routes } from './support.ts';

const question = z.strictObject({
  principal: id,
  action: z.enum(actions),
  resource: z.strictObject({
    kind: z.enum(['service', 'model', 'folder', 'project', 'key', 'account', 'usage', 'audit', 'api']),
    name: z.string().min(1).max(300).optional(),
    owner: id.optional(),
  }),
  at: time.optional(),
  address: z.string().refine((text) => canonicalAddress(text) !== undefined, 'Expected an IP address'),
  secondFactor: z.boolean().default(false),
  key: z.string().min(1).max(100).optional(),
  unusual: z.boolean().default(false),
});

/** Who, what, when, from where: allowed or not, by which rule, and what would change it. Nothing is done. */
export const explainRoutes: Routes = (app, context) => {
  app.post('/api/v1/access/explain', express.json({ limit: '10kb' }), async (request, response) => {
    const asked = parse(question, request.body);
    response.json(await explainAccess(context, callerOf(request).principal, asked));
  });

  app.get(
    '/api/v1/access/effective/:principal',
    async (request: Request<{ principal: string }>, response) => {
      const { principal } = parse(z.strictObject({ principal: id }), request.params);
      response.json(await effectiveOf(context, callerOf(request as Request).principal, principal));
    },
  );
};
