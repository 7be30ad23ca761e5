import { join } from 'node:path';

/** Every path that a start uses, in one place. */
export interface Layout {
  data: string;
  secrets: string;
  run: string;
  logs: string;
  postgres: string;
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
