import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { loadObjects } from '../../crds/load.ts';
import { parseConfig } from '../../foundation/config.ts';
import { UsageError } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import { secretsEqual, sha256Hex } from '../../foundation/secret.ts';
import type { Database } from '../database/schema.ts';
import { tenantCounters } from '../quota/usage-report.ts';
import type { ApiConfig } from './config.ts';
import { createDeclared, type Declared } from './declared.ts';
import { endpointsOf, objectsOf } from './kubernetes/objects.ts';
import { createSenders } from './kubernetes/senders.ts';
import { startUsageStatus } from './kubernetes/usage-status.ts';
import { watchCluster } from './kubernetes/watch.ts';

/** Whose usage a token brings, as `{tenant}/{service}`; undefined when nobody's. */
export type SenderOf = (token: string) => Promise<string | undefined>;

/** Where what is declared comes from, and who sends usage: files on one machine, the API server in a cluster. */
export interface Sources {
  declared: Declared;
  senderOf: SenderOf;
  /** Begins what needs the database. */
  start: (db: Database, now: () => Date) => void;
  stop: () => Promise<void>;
}

/** @throws UsageError for files or configuration that cannot be used; Error when the cluster does not answer. */
export async function openSources(config: ApiConfig, logger: Logger): Promise<Sources> {
  return 'kubernetes' in config.objects
    ? fromCluster(config.objects.kubernetes.usageIntervalSeconds * 1000, logger)
    : fromFiles(config.objects.paths, config);
}

async function fromFiles(paths: readonly string[], { endpoints, intakeTokens }: ApiConfig): Promise<Sources> {
  if (endpoints === undefined || intakeTokens === undefined)
    throw new UsageError('With objects.paths, endpoints and intakeTokens are needed too.');
  const declared = createDeclared();
  declared.update(await loadObjects(paths), endpoints);
  return {
    declared,
    senderOf: sendersOf(await readTokens(intakeTokens)),
    start: () => undefined,
    stop: () => Promise.resolve(),
  };
}

async function fromCluster(usageIntervalMs: number, logger: Logger): Promise<Sources> {
  const declared = createDeclared();
  const update = (): void => {
    const watched = cluster.watched();
    declared.update(objectsOf(watched), endpointsOf(watched));
  };
  const cluster = await watchCluster(update, logger);
  update();
  let stopUsage = (): Promise<void> => Promise.resolve();
  return {
    declared,
    senderOf: createSenders({
      client: cluster.client,
      namespaceOf: cluster.namespaceOf,
      nowMs: () => performance.now(),
      logger,
    }),
    start(db, now) {
      stopUsage = startUsageStatus({
        client: cluster.client,
        tenants: () => cluster.tenants.list(),
        observe: cluster.tenants.observe,
        counters: (at) => tenantCounters(db, at),
        intervalMs: usageIntervalMs,
        now,
        logger,
      });
    },
    async stop() {
      await stopUsage();
      await cluster.stop();
    },
  };
}

function sendersOf(tokens: ReadonlyMap<string, string>): SenderOf {
  return (token) => {
    const given = sha256Hex(token);
    let found: string | undefined;
    for (const [service, expected] of tokens) if (secretsEqual(given, expected)) found = service;
    return Promise.resolve(found);
  };
}

async function readTokens(path: string): Promise<Map<string, string>> {
  const schema = z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/));
  return new Map(Object.entries(parseConfig(schema, JSON.parse(await readFile(path, 'utf8')), path)));
}
