import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

describe('the embedded Postgres', () => {
  let server: TestPostgres;
  const connect = async (user: string, password: string, database: string): Promise<pg.Client> => {
    const client = new pg.Client({ host: server.host, port: server.port, user, password, database });
    // A server that is killed breaks the connection; the query that is under way reports it.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  const asOwner = (): Promise<pg.Client> =>
    connect(server.owner.user, server.owner.password, server.database);

  before(async () => {
    server = await startPostgres();
  });
  after(async () => {
    await server.stop();
  });

  it('is UTF-8 with data checksums, listens in a closed folder alone, and asks for a password', async () => {
    const client = await connect(server.superuser, server.password, 'postgres');
    const setting = async (name: string): Promise<unknown> =>
      (await client.query<{ value: string }>('SELECT current_setting($1) AS value', [name])).rows[0]?.value;
    assert.equal(await setting('server_encoding'), 'UTF8');
    assert.equal(await setting('data_checksums'), 'on');
    assert.equal(await setting('listen_addresses'), '');
    const { mode } = await stat(server.host);
    assert.equal(mode & 0o777, 0o700);
    await client.end();
    await assert.rejects(connect(server.superuser, 'wrong', 'postgres'), /password authentication failed/);
  });

  it('lets the owner make tables and the gateway only connect', async () => {
    const owner = await asOwner();
    await owner.query('CREATE TABLE secret (id int)');
    const gateway = await connect(server.gateway.user, server.gateway.password, server.database);
    await assert.rejects(gateway.query('SELECT * FROM secret'), /permission denied/);
    await assert.rejects(gateway.query('CREATE TABLE mine (id int)'), /permission denied/);
    await assert.rejects(gateway.query('CREATE TEMP TABLE mine (id int)'), /permission denied/);
    await gateway.end();
    await owner.end();
  });

  it('keeps what was committed when the postmaster is killed, on the same socket', async () => {
    const before = await asOwner();
    await before.query('CREATE TABLE kept (id int)');
    await before.query('INSERT INTO kept VALUES (7)');
    await server.kill('SIGKILL');
    await assert.rejects(asOwner());
    await server.restart();
    const after = await asOwner();
    assert.deepEqual((await after.query('SELECT id FROM kept')).rows, [{ id: 7 }]);
    await after.end();
  });
});
