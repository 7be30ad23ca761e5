import { callerOf } from '../authenticate.ts';
import type { Routes } from './support.ts';

export const meRoutes: Routes = (app) => {
  app.get('/api/v1/me', (request, response) => {
    response.json(callerOf(request).principal);
  });
};
