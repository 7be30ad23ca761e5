import { readFileSync } from 'node:fs';

const ROOT = '/sys/fs/cgroup';
type Read = (path: string) => string | undefined;

/**
 * Processors that the control group of this process may use, from the quota of version 2 (`cpu.max`) or 1
 * (`cpu.cfs_quota_us`); undefined without one. libuv finds the second only where `cpu` and `cpuacct` are mounted
 * together. In a container the path of the group may not exist below its own mount: then the root is the group.
 */
export function cpuQuota(read: Read = readOrNothing): number | undefined {
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== '' && !controllers.split(',').includes('cpu')) continue;
    const found = [path, '']
      .flatMap((below) => quotasIn(read, controllers, below))
      .find((quota) => quota > 0);
    if (found !== undefined) return found;
  }
  return undefined;
}

function quotasIn(read: Read, controllers: string, path: string): number[] {
  if (controllers === '') {
    const [quota, period] = (read(`${ROOT}${path}/cpu.max`) ?? '').split(' ').map(Number);
    return [(quota ?? NaN) / (period ?? NaN)];
  }
  return [controllers, 'cpu'].map((mount) => {
    const value = (name: string): number => Number(read(`${ROOT}/${mount}${path}/cpu.cfs_${name}_us`) ?? NaN);
    return value('quota') / value('period');
  });
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
