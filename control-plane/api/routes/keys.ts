import express, { type Request } from 'express';
import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import { listKeys } from '../../identity/store.ts';
import { demandGrantable } from '../accounts.ts';
import { callerOf } from '../authenticate.ts';
import { issueKey, withdrawKey } from '../keys.ts';
import { demand, parse, type Routes } from './support.ts';

const newKey = z.strictObject({
  name: z.string().trim().min(1).max(100),
  department: z.string().trim().max(100).default(''),
  role: role.default('editor'),
  expiresInDays: z.int().min(1).max(365).default(90),
});

export const keyRoutes: Routes = (app, { db, surroundings }) => {
  app.get('/api/v1/keys', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key');
    response.json({ keys: await listKeys(db, caller.tenant) });
  });

  app.post('/api/v1/keys', express.json({ limit: '10kb' }), async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key');
    const wanted = parse(newKey, request.body);
    demandGrantable(caller, wanted.role);
    response.status(201).json(await issueKey(db, caller, wanted, surroundings));
  });

  app.delete('/api/v1/keys/:id', async (request: Request<{ id: string }>, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key');
    await withdrawKey(db, caller, request.params.id, surroundings);
    response.status(204).end();
  });
};
