import pg from 'pg';
import type { PostgresServer } from './server.ts';

export const DATABASE = 'imageplane';
export const OWNER = 'imageplane_owner';
export const GATEWAY = 'imageplane_gateway';

/**
 * The database and its two roles: `imageplane_owner`, which owns it and migrates it, and `imageplane_gateway`, which may
 * connect and nothing else until a migration grants it something. Safe to repeat; passwords are set anew each time.
 */
export async function prepareDatabase(
  server: Pick<PostgresServer, 'host' | 'port' | 'superuser' | 'password'>,
  passwords: { owner: string; gateway: string },
): Promise<void> {
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    user: server.superuser,
    password: server.password,
    database: 'postgres',
  });
  await client.connect();
  try {
    // A statement that fails would be logged with the password in it.
    await client.query(`SET log_min_error_statement = panic`);
    await ensureRole(client, OWNER, passwords.owner);
    await ensureRole(client, GATEWAY, passwords.gateway);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER}`);
    await client.query(`REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${DATABASE} TO ${GATEWAY}`);
  } finally {
    await client.end();
  }
}

async function ensureRole(client: pg.Client, name: string, password: string): Promise<void> {
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name]);
  const verb = rowCount === 0 ? 'CREATE' : 'ALTER';
  await client.query(
    `${verb} ROLE ${name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD ${client.escapeLiteral(password)}`,
  );
}
