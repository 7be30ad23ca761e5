import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuQuota } from './cpu-quota.ts';

const quota = (files: Record<string, string>): number | undefined => cpuQuota((path) => files[path]);

describe('the processors of a control group', () => {
  it('are its quota, in version 2 and in either mount of version 1', () => {
    assert.equal(
      quota({ '/proc/self/cgroup': '0::/pod\n', '/sys/fs/cgroup/pod/cpu.max': '150000 100000\n' }),
      1.5,
    );
    for (const controllers of ['cpu', 'cpu,cpuacct'])
      assert.equal(
        quota({
          '/proc/self/cgroup': `4:memory:/pod\n1:${controllers}:/pod\n0::/\n`,
          [`/sys/fs/cgroup/${controllers}/pod/cpu.cfs_quota_us`]: '400000\n',
          [`/sys/fs/cgroup/${controllers}/pod/cpu.cfs_period_us`]: '100000\n',
        }),
        4,
      );
    // In a container: the path is the host's, the mount its own.
    assert.equal(quota({ '/proc/self/cgroup': '0::/a/b\n', '/sys/fs/cgroup/cpu.max': '200000 100000\n' }), 2);
  });

  it('are not limited without one', () => {
    assert.equal(quota({}), undefined);
    assert.equal(
      quota({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup//cpu.max': 'max 100000\n' }),
      undefined,
    );
    const none = {
      '/proc/self/cgroup': '1:cpu:/\n',
      '/sys/fs/cgroup/cpu//cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu//cpu.cfs_period_us': '100000\n',
    };
    assert.equal(quota(none), undefined);
  });
});
