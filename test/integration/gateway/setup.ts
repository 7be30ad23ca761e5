import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTVerifyGetKey } from 'jose';
import pg from 'pg';
import { type PrincipalEntry, principalEntry } from '../../../contracts/principal.ts';
import {
  type ServiceRoute,
  type Snapshot,
  snapshot as snapshotSchema,
  type TenantPolicy,
  tenantPolicy,
} from '../../../contracts/snapshot.ts';
import { migrate } from '../../../control-plane/database/migrate.ts';
import { generateApiKey } from '../../../control-plane/identity/api-key.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { freePorts, type RunningProgram, startProgram, until } from '../../support/program.ts';
import { createAuthApp } from './auth-app.ts';
import { startSnapshotServer, type SnapshotServer } from './snapshot-server.ts';
import { startUpstream, type Upstream } from './upstream.ts';

export interface World {
  postgres: TestPostgres;
  /** As the owner of the tables. */
  db: pg.Pool;
  upstream: Upstream;
  snapshots: SnapshotServer;
  gateway: RunningProgram;
  /** Where the gateway answers. */
  url: string;
  metricsUrl: string;
  /** Verifies what the gateway signs. */
  jwks: JWTVerifyGetKey;
  /** A key for each principal by its id. */
  keys: Record<string, { key: string; id: string; hash: string }>;
  snapshot: Snapshot;
  /** The gateway's configuration. */
  config: { snapshot: Record<string, unknown>; outbox: string };
  /** Publishes a change of the snapshot and waits until the gateway has it. */
  publish(change: (snapshot: Snapshot) => void): Promise<void>;
  /** Starts it again, after `gateway.stop`, on the same ports, outbox and cache. */
  startGateway(changes?: Record<string, unknown>): Promise<void>;
  /** What `/readyz` answers. */
  readiness(): Promise<{ status: number; body: unknown }>;
  /** As the gateway's own role. */
  gatewayPool(): pg.Pool;
  close(): Promise<void>;
}

export const policy = (
  limits: Partial<TenantPolicy['limits']> = {},
  access: Partial<TenantPolicy['access']> = {},
): TenantPolicy =>
  tenantPolicy.parse({
    plan: 'free',
    limits: { requestsPerMinute: 1_000, requestsPerDay: 0, requestsPerMonth: 0, ...limits },
    access: { allowedCidrs: [], unlimitedCidrs: [], ...access },
  });

const person = (id: string, tenant: string, role: PrincipalEntry['role'] = 'developer'): PrincipalEntry =>
  principalEntry.parse({ id, tenant, kind: 'user', name: `王 ${id}`, department: '设计部', role });

/** Everything around the gateway for real: Postgres, a service, and a server of signed snapshots. */
export async function createWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-gateway-test-'));
  const postgres = await startPostgres();
  const connection = { host: postgres.host, port: postgres.port, database: postgres.database };
  const db = new pg.Pool({ ...connection, ...postgres.owner, max: 4 });
  db.on('error', () => undefined);
  await migrate(db);

  const assertionKey = await generateKeyPair('EdDSA', { extractable: true });
  const snapshotKey = await generateKeyPair('EdDSA', { extractable: true });
  const write = async (name: string, value: unknown): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value), { mode: 0o600 });
    return path;
  };
  const token = randomBytes(32).toString('base64url');
  const upstream = await startUpstream();
  const snapshots = await startSnapshotServer(token, snapshotKey.privateKey);
  const ports = await freePorts('gateway', 'metrics', 'closed');

  const people = [
    person('ada', 'acme'),
    person('vic', 'acme', 'viewer'),
    person('bob', 'burp'),
    person('lim', 'limited'),
    person('quo', 'quota'),
    person('far', 'fenced'),
  ];
  const keys = Object.fromEntries(people.map(({ id }) => [id, generateApiKey(randomBytes)]));
  const service = (
    tenant: string,
    name: string,
    engine: ServiceRoute['engine'],
    endpoint = upstream.url,
  ): [string, ServiceRoute] => [
    `${tenant}/${name}`,
    {
      tenant,
      name,
      engine,
      endpoints: [endpoint],
      access: { addressSets: [] },
      maxBodyBytes: 1024 * 1024,
      timeoutSeconds: 10,
    },
  ];
  const snapshot = snapshotSchema.parse({
    version: '0',
    issuedAt: new Date().toISOString(),
    tenants: {
      acme: policy(),
      burp: policy(),
      limited: policy({ requestsPerMinute: 3 }),
      quota: policy({ requestsPerDay: 2 }),
      fenced: policy({}, { allowedCidrs: ['203.0.113.0/24'] }),
    },
    services: Object.fromEntries([
      service('acme', 'cutout', 'onnx'),
      service('acme', 'pages', 'container'),
      service('acme', 'dead', 'onnx', `http://127.0.0.1:${ports.closed}`),
      service('burp', 'cutout', 'onnx'),
      service('limited', 'cutout', 'onnx'),
      service('quota', 'cutout', 'onnx'),
      service('fenced', 'cutout', 'onnx'),
    ]),
    principals: Object.fromEntries(people.map((one) => [one.id, one])),
    keys: Object.fromEntries(
      Object.entries(keys).map(([principal, { hash, id }]) => [hash, { id, principal }]),
    ),
  });
  const publicJwk = { ...(await exportJWK(assertionKey.publicKey)), kid: 'test-1', alg: 'EdDSA' };
  const jwks = createLocalJWKSet({ keys: [publicJwk] });
  const auth = await createAuthApp({ db, jwks, tenants: snapshot.tenants, people, keys });
  snapshots.auth.handler = auth.app;
  snapshot.sessions.keys = auth.publicKeys.map((key) => ({ ...key }));
  const assertionJwk = { ...(await exportJWK(assertionKey.privateKey)), kid: 'test-1' };
  const config = {
    logLevel: 'info',
    listen: { host: '127.0.0.1', port: ports.gateway },
    metrics: { host: '127.0.0.1', port: ports.metrics },
    hosts: ['127.0.0.1', 'gateway.example'],
    api: { url: snapshots.apiUrl },
    snapshot: {
      url: snapshots.url,
      tokenFile: await write('token', token),
      publicKey: await write('snapshot.jwk', await exportJWK(snapshotKey.publicKey)),
      cache: join(folder, 'snapshot.cache'),
      intervalMs: 50,
      maxAgeSeconds: 900,
    },
    assertionKey: await write('assertion.jwk', assertionJwk),
    database: {
      host: postgres.host,
      port: postgres.port,
      database: postgres.database,
      user: postgres.gateway.user,
      passwordFile: await write('password', postgres.gateway.password),
    },
    outbox: join(folder, 'outbox'),
    degraded: { requestsPerTenant: 5 },
  };

  const world: World = {
    postgres,
    db,
    upstream,
    snapshots,
    gateway: await (async () => {
      await snapshots.publish(snapshot);
      return startProgram('control-plane/gateway/main.ts', config);
    })(),
    url: `http://127.0.0.1:${ports.gateway}`,
    metricsUrl: `http://127.0.0.1:${ports.metrics}`,
    jwks,
    keys,
    snapshot,
    config,
    async publish(change) {
      change(snapshot);
      snapshot.version = String(Number(snapshot.version) + 1);
      snapshot.issuedAt = new Date().toISOString();
      await snapshots.publish(snapshot);
      const before = snapshots.polls().unchanged;
      await until('the gateway has the new snapshot', () => snapshots.polls().unchanged > before);
    },
    async startGateway(changes = {}) {
      world.gateway = await startProgram('control-plane/gateway/main.ts', { ...config, ...changes });
      await ready();
    },
    async readiness() {
      const answer = await fetch(`${world.metricsUrl}/readyz`);
      return { status: answer.status, body: await answer.json() };
    },
    gatewayPool: () => new pg.Pool({ ...connection, ...postgres.gateway, max: 2 }),
    async close() {
      await world.gateway.stop('SIGKILL');
      await Promise.all([upstream.close(), snapshots.close(), db.end()]);
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  const ready = (): Promise<void> =>
    until('the gateway is ready', async () => (await world.readiness()).status === 200);
  await ready();
  return world;
}
