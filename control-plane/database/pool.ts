import { readFileSync } from 'node:fs';
import pg from 'pg';
import { z } from 'zod';
import type { Logger } from '../../foundation/logger.ts';

export const databaseConfig = z.strictObject({
  host: z.string().min(1),
  port: z.int().positive(),
  database: z.string().min(1),
  user: z.string().min(1),
  passwordFile: z.string().min(1),
  /** Present: the server must show a certificate of its name, from this authority or, absent, from a public one. */
  tls: z.strictObject({ caFile: z.string().min(1).optional() }).optional(),
});
export type DatabaseConfig = z.infer<typeof databaseConfig>;

export interface PoolLimits {
  max: number;
  connectTimeoutMs: number;
  statementTimeoutMs: number;
}

/** What pg takes as `ssl`. */
export function tlsOf({ tls }: Pick<DatabaseConfig, 'tls'>): { ca?: string } | false {
  if (tls === undefined) return false;
  return tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile, 'utf8') };
}

/** The password is read anew for every connection, so that a rotated one needs no restart. */
export function createPool(
  config: DatabaseConfig,
  limits: PoolLimits,
  program: string,
  logger: Logger,
): pg.Pool {
  const pool = new pg.Pool({
    host: config.host,
    port: config.port,
    database: config.database,
    user: config.user,
    password: () => readFileSync(config.passwordFile, 'utf8').trim(),
    ssl: tlsOf(config),
    application_name: program,
    max: limits.max,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    statement_timeout: limits.statementTimeoutMs,
    // The server's own limit does not help when the server is gone.
    query_timeout: limits.statementTimeoutMs + 500,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  });
  pool.on('error', (error) => {
    logger.warn({ err: error }, 'an idle database connection broke');
  });
  return pool;
}

/** SQLSTATE classes and codes with which a server says that it is going, coming, or not to be reached. */
const AWAY = /^(08|57P0[1-5]$|53300$)/;

/** Whether the database was away, as against a statement that was wrong: the first is worth trying again. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return (
    AWAY.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)/.test(code) ||
    /timeout|Connection terminated|Client has encountered a connection error/i.test(error.message)
  );
}
