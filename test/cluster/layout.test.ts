import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cacheFolder } from './build.ts';
import { mountsBelow } from './down.ts';
import { npmSettings } from './images.ts';
import { MAX_CLUSTERS, addressesOf, freeIndex, layoutOf } from './layout.ts';
import { clusterManifests, gpuCapacity } from './manifests.ts';
import { objectPath } from './api.ts';
import { identify, isAlive, killProcess, startTimeIn } from './members.ts';
import { peakIn } from './status.ts';

describe('Where a cluster lives', () => {
  it('has a link name that the kernel takes, another one for each cluster', () => {
    const names = ['default', 'a', 'b', 'x'.repeat(30)];
    const links = names.map((name) => layoutOf(name).link);
    assert.equal(new Set(links).size, names.length);
    for (const link of links) assert.ok(link.length <= 15);
  });

  it('has a socket path that fits into the kernel’s 107 bytes', () => {
    assert.ok(layoutOf('x'.repeat(30)).containerdSocket.length <= 107);
  });

  it('never gives two clusters the same addresses', () => {
    const used: string[] = [];
    for (let count = 0; count < MAX_CLUSTERS; count += 1) {
      const { outer, inner } = addressesOf(freeIndex(used));
      assert.ok(!used.includes(outer) && !used.includes(inner));
      used.push(outer, inner);
    }
    assert.equal(new Set(used).size, 2 * MAX_CLUSTERS);
    assert.throws(() => freeIndex(used), /take one down/);
  });

  it('has its cache where the variable says, else the machine’s or the user’s', () => {
    assert.equal(cacheFolder({ IMAGEPLANE_CACHE: '/x' }, 0, '/root'), '/x/cluster');
    assert.equal(cacheFolder({}, 0, '/root'), '/var/cache/imageplane/cluster');
    assert.equal(cacheFolder({ XDG_CACHE_HOME: '/c' }, 1000, '/home/u'), '/c/imageplane/cluster');
    assert.equal(cacheFolder({}, 1000, '/home/u'), '/home/u/.cache/imageplane/cluster');
  });
});

describe('What is read from the kernel', () => {
  it('has the start time of a process whatever its name holds', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const rest = Array.from({ length: 40 }, (_, index) => String(index + 4)).join(' ');
        assert.equal(startTimeIn(`12 (${name}) S ${rest}`), '22');
      }),
    );
  });

  it('has mounts below a folder, deepest first, and no others', () => {
    const info = ['/', '/a', '/a/b', '/ab', '/a/c\\040d'].map(
      (path) => `1 2 3:4 / ${path} rw - ext4 /dev/x rw`,
    );
    assert.deepEqual(mountsBelow(info.join('\n'), '/a'), ['/a/c d', '/a/b', '/a']);
  });

  it('has the peak memory in bytes', () => {
    assert.equal(peakIn('VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n'), 2 * 1024 * 1024);
    assert.equal(peakIn(''), 0);
  });

  it('tells a process from a later one with the same number', async () => {
    const self = await identify(process.ppid);
    assert.ok(self !== undefined);
    assert.equal(await isAlive(self), true);
    const recycled = { pid: self.pid, started: `${self.started}1` };
    assert.equal(await isAlive(recycled), false);
    await killProcess(recycled);
    assert.equal(await isAlive(self), true);
  });
});

describe('What a cluster is given', () => {
  it('has an address for each of its own objects', () => {
    const paths = clusterManifests().map(objectPath);
    assert.equal(new Set(paths).size, paths.length);
    assert.ok(paths.includes('/apis/apps/v1/namespaces/kube-system/deployments/coredns'));
    assert.ok(paths.includes('/api/v1/namespaces/kube-system/services/kube-dns'));
  });

  it('has GPUs under NVIDIA’s names', () => {
    assert.deepEqual(gpuCapacity(4, { '1g.10gb': 2 }), {
      'nvidia.com/gpu': '4',
      'nvidia.com/mig-1g.10gb': '2',
    });
    assert.deepEqual(gpuCapacity(0, {}), {});
  });

  it('has npm’s settings for a build, its certificates where the build sees them', () => {
    const settings = npmSettings(
      ['cafile=/etc/ca.pem\nregistry=https://npm.invalid/', 'prefix=/usr\nloglevel=error'],
      true,
    );
    assert.equal(settings, 'registry=https://npm.invalid/\nloglevel=error\ncafile=/run/secrets/npm-ca.pem\n');
    assert.ok(!npmSettings(['cafile=/etc/ca.pem'], false).includes('cafile'));
  });
});
