import { sql } from 'kysely';
import { header } from '../../../contracts/headers.ts';
import { isDatabaseAway } from '../../database/pool.ts';
import { callerOf } from '../authenticate.ts';
import type { Routes } from './support.ts';

/** Whether the service is reduced, and why. Answers also without the database. */
export const statusRoutes: Routes = (app, { db }) => {
  app.get('/api/v1/status', async (request, response) => {
    callerOf(request);
    const database = await sql`SELECT 1`.execute(db).then(
      () => true,
      (error: unknown) => {
        if (isDatabaseAway(error)) return false;
        throw error;
      },
    );
    // The gateway says what it cannot reach.
    const away = (request.get(header.degraded) ?? '').split(', ').filter((name) => name !== '');
    response.json({
      state: database && away.length === 0 ? 'normal' : 'reduced',
      database: database ? 'reachable' : 'away',
      gateway: { away },
    });
  });
};
