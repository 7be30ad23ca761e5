import { after, before } from 'node:test';
import pg from 'pg';
import { v7 } from 'uuid';
import { migrate } from '../../../control-plane/database/migrate.ts';
import { reserve } from '../../../control-plane/quota/ledger.ts';
import { NOTHING } from '../../../control-plane/quota/units.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { stops } from '../attack.ts';

const LIMIT = 10;
const CLIENTS = 64;

let postgres: TestPostgres;
let owner: pg.Pool;
let gateway: pg.Pool;

before(async () => {
  postgres = await startPostgres();
  const { host, port, database } = postgres;
  const poolOf = (credentials: { user: string; password: string }): pg.Pool => {
    const pool = new pg.Pool({ host, port, database, max: 16, ...credentials });
    pool.on('error', () => undefined);
    return pool;
  };
  owner = poolOf(postgres.owner);
  gateway = poolOf(postgres.gateway);
  await migrate(owner);
  await owner.query('CREATE TABLE naive_charge (tenant text)');
});
after(async () => {
  await Promise.all([owner.end(), gateway.end()]);
  await postgres.stop();
});

/** Whether a request of the tenant is admitted. */
type Admit = () => Promise<boolean>;

/** Looks whether there is room, and then takes it; a little passes between the two. */
const naive: Admit = async () => {
  const { rows } = await owner.query<{ spent: string }>(
    "SELECT count(*) AS spent, pg_sleep(0.02) FROM naive_charge WHERE tenant = 'acme'",
  );
  if (Number(rows[0]?.spent) >= LIMIT) return false;
  await owner.query("INSERT INTO naive_charge VALUES ('acme')");
  return true;
};

const ours: Admit = async () => {
  const request = { ...NOTHING, requests: 1, project: '', service: 'cutout', principal: 'ada' };
  const answer = await reserve(gateway, { ...request, id: v7(), tenant: 'acme' }, [
    { scope: 'tenant', period: 'day', requests: LIMIT },
  ]);
  return answer.admitted;
};

async function attack(admit: Admit): Promise<boolean> {
  const admitted = (await Promise.all(Array.from({ length: CLIENTS }, admit))).filter(Boolean).length;
  if (admitted < LIMIT) throw new Error(`only ${admitted} were admitted`);
  return admitted > LIMIT;
}

stops('64 requests at once against a quota of 10', attack, { naive: () => naive, ours: () => ours });
