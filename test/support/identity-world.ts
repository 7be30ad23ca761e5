import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair } from 'jose';
import pg from 'pg';
import { v7 } from 'uuid';
import { signAuthAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import { startUpstream, type Upstream } from '../integration/gateway/upstream.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { demandContract } from './api-contract.ts';
import { freePorts, type RunningProgram, startProgram, until } from './program.ts';

/** API, gateway, Postgres and a service, all real. */
export interface IdentityWorld {
  /** Where the gateway holds bodies back. */
  spool: string;
  postgres: TestPostgres;
  /** As the owner of the tables. */
  db: pg.Pool;
  upstream: Upstream;
  api: RunningProgram;
  gateway: RunningProgram;
  /** Where the gateway answers. */
  url: string;
  /** Asks the API's internal port. */
  internal: (path: string, body: unknown) => Promise<Response>;
  /** Sends a form to `/auth/…` as the gateway forwards it. */
  auth: (path: string, form: Record<string, string>, init?: RequestInit) => Promise<Response>;
  /** A second process of the API on the same database, asked as the gateway asks. */
  anotherApi: () => Promise<{ auth: IdentityWorld['auth']; stop: () => Promise<void> }>;
  /** An administrator's key of each tenant. */
  adminKey: (tenant: string) => Promise<string>;
  /** Asks the API through the gateway, with the key. */
  call: (key: string, method: string, path: string, body?: unknown) => Promise<Response>;
  /** Waits until the gateway lives on what the database holds now. */
  synced: () => Promise<void>;
  startGateway: () => Promise<void>;
  startApi: () => Promise<void>;
  close: () => Promise<void>;
}

const service = (tenant: string): string => `apiVersion: imageplane.dev/v1alpha1
kind: ImageService
metadata: {name: echo, namespace: tenant-${tenant}}
spec:
  displayName: Echo
  engine: container
  container: {localURL: 'http://127.0.0.1:1'}
  maxBodyMegabytes: 4
`;
const tenant = (name: string, access: string): string => `apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: {name: ${name}}
spec:
  displayName: ${name}
  plan: enterprise
  limits: {requestsPerMinute: 100000}
  access: ${access}
`;

/** Tenants `acme`, which allows HTTP Basic, and `strict`, which demands a second factor of everybody and allows none. */
export async function createIdentityWorld(
  apiChanges: (file: (name: string, content: unknown) => Promise<string>) => Promise<object> = () =>
    Promise.resolve({}),
): Promise<IdentityWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-identity-test-'));
  const file = async (name: string, content: unknown): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
    return path;
  };
  const postgres = await startPostgres();
  const upstream = await startUpstream();
  const ports = await freePorts('listen', 'internal', 'intake', 'gateway', 'metrics');
  const at = (port: number): { host: string; port: number } => ({ host: '127.0.0.1', port });
  const assertion = await generateKeyPair('EdDSA', { extractable: true });
  const snapshot = await generateKeyPair('EdDSA', { extractable: true });
  const session = await generateKeyPair('EdDSA', { extractable: true });
  const token = randomBytes(32).toString('base64url');
  const tokenFile = await file('internal', token);
  const secretsKeyFile = await file('secrets', randomBytes(32).toString('base64url'));
  const spool = join(folder, 'spool');
  const database = { host: postgres.host, port: postgres.port, database: postgres.database };
  const objects = [
    tenant('acme', '{basic: true}'),
    tenant('strict', '{secondFactor: Always}'),
    service('acme'),
    service('strict'),
  ];
  const apiConfig = {
    logLevel: 'warn',
    listen: at(ports.listen),
    internal: at(ports.internal),
    intake: at(ports.intake),
    database: {
      ...database,
      user: postgres.owner.user,
      passwordFile: await file('owner', postgres.owner.password),
    },
    objects: { paths: [await file('objects.yaml', objects.join('---\n'))] },
    endpoints: { 'acme/echo': [upstream.url], 'strict/echo': [upstream.url] },
    assertionJwks: await file('jwks.json', {
      keys: [{ ...(await exportJWK(assertion.publicKey)), kid: 'k1', alg: 'EdDSA' }],
    }),
    snapshotKey: await file('snapshot.json', await exportJWK(snapshot.privateKey)),
    internalTokenFile: tokenFile,
    intakeTokens: await file('intake.json', {}),
    secretsKeyFile,
    sessions: {
      key: await file('session.json', await exportJWK(session.privateKey)),
      sealKeyFile: await file('seal', randomBytes(32).toString('base64url')),
    },
    ...(await apiChanges(file)),
  };
  const gatewayConfig = {
    logLevel: 'info',
    listen: at(ports.gateway),
    metrics: at(ports.metrics),
    hosts: ['127.0.0.1'],
    api: { url: `http://127.0.0.1:${ports.listen}` },
    snapshot: {
      url: `http://127.0.0.1:${ports.internal}/internal/v1/snapshot`,
      tokenFile,
      publicKey: await file('snapshot.public.json', await exportJWK(snapshot.publicKey)),
      cache: join(folder, 'snapshot.cache'),
      intervalMs: 50,
    },
    assertionKey: await file('assertion.json', {
      ...(await exportJWK(assertion.privateKey)),
      kid: 'k1',
    }),
    secretsKeyFile,
    database: {
      ...database,
      user: postgres.gateway.user,
      passwordFile: await file('gateway', postgres.gateway.password),
    },
    outbox: join(folder, 'outbox'),
    spool,
  };
  const db = new pg.Pool({ ...database, ...postgres.owner, max: 4 });
  db.on('error', () => undefined);
  const url = `http://127.0.0.1:${ports.gateway}`;

  const authAt =
    (port: number): IdentityWorld['auth'] =>
    async (path, form, init = {}) => {
      const method = init.method ?? 'POST';
      const signed = signAuthAssertion(
        {
          jti: v7(),
          htm: method,
          htu: path,
          client: { address: '192.0.2.7', secure: false, origin: url, language: 'en' },
        },
        { kid: 'k1', privateKey: assertion.privateKey },
        new Date(),
      );
      return fetch(`http://127.0.0.1:${port}${path}`, {
        redirect: 'manual',
        ...init,
        method,
        headers: { ...Object.fromEntries(new Headers(init.headers)), [header.assertion]: signed },
        ...(method === 'GET' ? {} : { body: new URLSearchParams(form) }),
      });
    };

  const world: IdentityWorld = {
    spool,
    postgres,
    db,
    upstream,
    api: await startProgram('control-plane/api/main.ts', apiConfig),
    gateway: await startProgram('control-plane/gateway/main.ts', gatewayConfig),
    url,
    internal: (path, body) =>
      fetch(`http://127.0.0.1:${ports.internal}/internal/v1/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    auth: authAt(ports.listen),
    async anotherApi() {
      const own = await freePorts('listen', 'internal', 'intake');
      const { listen, internal, intake } = own;
      const listening = { listen: at(listen), internal: at(internal), intake: at(intake) };
      const program = await startProgram('control-plane/api/main.ts', { ...apiConfig, ...listening });
      return {
        auth: authAt(listen),
        stop: async () => {
          await program.stop('SIGKILL');
        },
      };
    },
    async adminKey(name) {
      const made = (await (await world.internal('demo-key', { tenant: name })).json()) as { key: string };
      await world.synced();
      return made.key;
    },
    async call(key, method, path, body) {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (path.startsWith('/api/v1/')) await demandContract(method, path, response);
      return response;
    },
    async synced() {
      // Two polls of the gateway after now: what was written before is in what it holds.
      const seen = async (): Promise<number> => {
        const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
        return Number(/^imageplane_gateway_snapshot_age_seconds (\S+)/m.exec(text)?.[1] ?? Infinity);
      };
      const start = Date.now();
      await until('the gateway has asked since', async () => {
        const before = Date.now();
        return before - (await seen()) * 1000 > start + 60;
      });
    },
    async startGateway() {
      world.gateway = await startProgram('control-plane/gateway/main.ts', gatewayConfig);
      await world.synced();
    },
    async startApi() {
      world.api = await startProgram('control-plane/api/main.ts', apiConfig);
    },
    async close() {
      await world.gateway.stop('SIGKILL');
      await world.api.stop('SIGKILL');
      await upstream.close();
      await db.end();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  // Without a snapshot the gateway answers 503.
  await world.synced();
  return world;
}
