import type { ErrorRequestHandler } from 'express';
import { refusal } from '../../foundation/errors.ts';
import { isDatabaseAway } from '../database/pool.ts';

/** A database that is away is worth another try, and the client is told so. */
export const databaseErrors: ErrorRequestHandler = (error: unknown, _request, _response, next) => {
  next(isDatabaseAway(error) ? refusal('database_unavailable', { retryAfter: 2 }, {}, error) : error);
};
