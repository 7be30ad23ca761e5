import { sql } from 'kysely';
import { z } from 'zod';
import { header } from '../../../contracts/headers.ts';
import { isDatabaseAway } from '../../database/pool.ts';
import { everybody, ok, operation, type Operation } from '../operation.ts';

/** Whether the service is reduced, and why. Answers also without the database. */
export const statusOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/status',
    subject: 'operations',
    summary: { en: 'Whether the product is reduced, and why', zh: '查看产品是否处于降级状态及原因' },
    access: everybody,
    answers: {
      200: z.strictObject({
        state: z.enum(['normal', 'reduced']),
        database: z.enum(['reachable', 'away']),
        gateway: z.strictObject({ away: z.array(z.string()).describe('What the gateway cannot reach') }),
      }),
    },
    errors: [],
    async handle(asked, { db }) {
      const database = await sql`SELECT 1`.execute(db).then(
        () => true,
        (error: unknown) => {
          if (isDatabaseAway(error)) return false;
          throw error;
        },
      );
      // The gateway says what it cannot reach.
      const away = (asked.header(header.degraded) ?? '').split(', ').filter((name) => name !== '');
      return ok({
        state: database && away.length === 0 ? ('normal' as const) : ('reduced' as const),
        database: database ? ('reachable' as const) : ('away' as const),
        gateway: { away },
      });
    },
  }),
];
