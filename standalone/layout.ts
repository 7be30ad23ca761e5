import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Every path that a start uses, in one place. */
export interface Layout {
  data: string;
  secrets: string;
  run: string;
  logs: string;
  postgres: string;
  /** Where the API listens: only who may enter `run` can connect. */
  apiSocket: (name: 'public' | 'internal' | 'intake') => string;
  /** Of a service, by its id. Short whatever the id is, since a socket's path has little room. */
  inferenceSocket: (id: string) => string;
  /** Held while a supervisor uses `data`. */
  lock: string;
  outbox: (name: string) => string;
  snapshotCache: string;
  cache: string;
  modelStore: string;
}

export function layoutOf({ dataDir, cacheDir }: { dataDir: string; cacheDir: string }): Layout {
  return {
    data: dataDir,
    secrets: join(dataDir, 'secrets'),
    run: join(dataDir, 'run'),
    logs: join(dataDir, 'logs'),
    postgres: join(dataDir, 'postgres'),
    apiSocket: (name) => join(dataDir, 'run', `api.${name}.sock`),
    inferenceSocket: (id) => {
      const digest = createHash('sha256').update(id).digest('hex').slice(0, 12);
      return join(dataDir, 'run', `inference.${digest}.sock`);
    },
    lock: join(dataDir, 'lock'),
    outbox: (name) => join(dataDir, 'outbox', name),
    snapshotCache: join(dataDir, 'gateway', 'snapshot.jws'),
    cache: cacheDir,
    modelStore: join(cacheDir, 'models'),
  };
}

export const configPath = (layout: Layout, name: string): string => join(layout.run, `${name}.json`);
export const logPath = (layout: Layout, name: string): string => join(layout.logs, `${name}.log`);
export const secretPath = (layout: Layout, name: string): string => join(layout.secrets, name);
