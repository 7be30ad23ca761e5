import type { ErrorRequestHandler } from 'express';
import { RequestError } from '../../foundation/errors.ts';
import { isDatabaseAway } from '../database/pool.ts';

/** A database that is away is worth another try, and the client is told so. */
export const databaseErrors: ErrorRequestHandler = (error: unknown, _request, _response, next) => {
  next(
    isDatabaseAway(error)
      ? new RequestError(
          503,
          'database_unavailable',
          'The database is away. Nothing was changed; try again shortly.',
          {
            headers: { 'retry-after': '2' },
            cause: error,
          },
        )
      : error,
  );
};
