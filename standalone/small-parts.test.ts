import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { createLineReader, createThrottle, readableLine } from './child-output.ts';
import { openLogFile } from './log-file.ts';
import { isAtLeast } from './node-version.ts';
import { freePorts, portProblem } from './ports.ts';
import { maySearch } from './postgres/account.ts';
import { type Layout, layoutOf } from './layout.ts';
import { parsePostmasterFile } from './postgres/postmaster.ts';
import { assertPortFree, assertSocketsFit, lockFolder, prepareFolder } from './preflight.ts';

describe('the version of Node', () => {
  it('is compared part by part, as numbers', () => {
    for (const version of ['24.18.1', '24.18.10', '24.19.0', '25.0.0', '24.18.1-nightly'])
      assert.ok(isAtLeast(version, '24.18.1'), version);
    for (const version of ['24.18.0', '24.9.9', '22.20.0', '9.99.99'])
      assert.ok(!isAtLeast(version, '24.18.1'), version);
  });
});

describe('the output of a program', () => {
  it('is cut into lines wherever its chunks are cut', () => {
    const text = fc.array(
      fc.string().map((line) => line.replaceAll('\n', '')),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 7 }), (lines, size) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const seen: string[] = [];
        const read = createLineReader((line) => seen.push(line));
        for (let at = 0; at < bytes.length; at += size) read(bytes.subarray(at, at + size));
        assert.deepEqual(
          seen,
          lines.filter((line) => line !== '').map((line) => Buffer.from(line).toString()),
        );
      }),
    );
  });

  it('does not grow without bound when no line ends', () => {
    const seen: number[] = [];
    const read = createLineReader((line) => seen.push(line.length));
    for (let index = 0; index < 40; index++) read(Buffer.alloc(10_000, 'x'));
    assert.ok(seen.length >= 5 && seen.every((length) => length <= 80_000));
  });

  it('is shown from warnings upwards, and whole when it is no log line', () => {
    assert.equal(readableLine('{"level":30,"msg":"listening"}'), undefined);
    assert.equal(readableLine('{"level":40,"msg":"slow"}'), 'slow');
    assert.equal(readableLine('{"level":50,"msg":"failed","err":{"message":"refused"}}'), 'failed: refused');
    assert.equal(readableLine('{"level":40,"msg":"away","reason":"gone"}'), 'away: gone');
    assert.equal(readableLine('Segmentation fault'), 'Segmentation fault');
    assert.equal(readableLine('[1]'), '[1]');
  });

  it('does not flood the terminal', () => {
    const written: string[] = [];
    let clock = 0;
    const throttled = createThrottle(
      { limit: 2, windowMs: 1000, where: 'the.log' },
      (text) => written.push(text),
      () => clock,
    );
    for (let index = 0; index < 50; index++) throttled(String(index));
    clock = 1000;
    throttled('again');
    assert.deepEqual(written, ['0', '1', 'more of this is in the.log', 'again']);
  });
});

describe('places and ports', () => {
  let root: string;
  let other: Server;
  let taken: number;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'imageplane-small-'));
    other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    taken = address.port;
  });
  after(async () => {
    other.close();
    await rm(root, { recursive: true, force: true });
  });

  it('keep a log in bounds: one file and the one before', async () => {
    const path = join(root, 'logs', 'x.log');
    const log = openLogFile(path, 100);
    for (let index = 0; index < 50; index++) log.write(`${String(index).padStart(19, '0')}\n`);
    log.close();
    log.write('after the end');
    assert.deepEqual((await readdir(join(root, 'logs'))).sort(), ['x.log', 'x.log.old']);
    assert.ok((await stat(path)).size <= 120);
    assert.match(await readFile(path, 'utf8'), /0049\n$/);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it('give different free ports', async () => {
    const ports = await freePorts(20, Math.random);
    assert.equal(new Set(ports).size, 20);
    assert.ok(!ports.includes(taken));
    for (const port of ports) assert.equal(await portProblem(port, '127.0.0.1'), undefined);
  });

  it('say which option to give when a port is taken', async () => {
    await assert.rejects(assertPortFree(taken, '127.0.0.1'), /another program listens on it[^]*--port/);
    await assertPortFree(0, '127.0.0.1');
  });

  it('say which option to give when a folder cannot be written to', async () => {
    for (const path of [join(root, 'logs', 'x.log'), join(root, 'logs', 'x.log', 'data'), '/proc/x/data'])
      await assert.rejects(
        prepareFolder(path, '--data-dir', 0o700),
        /cannot be written to[^]*--data-dir/,
        path,
      );
    const made = await prepareFolder(join(root, 'some', 'where'), '--data-dir', 0o700);
    assert.equal(await prepareFolder(made, '--data-dir', 0o700), made);
  });

  it('say that a folder is too long for the sockets in it', () => {
    const layoutIn = (dataDir: string): Layout => layoutOf({ dataDir, cacheDir: '/cache' });
    assertSocketsFit(layoutIn(`/${'x'.repeat(60)}`));
    assert.throws(() => {
      assertSocketsFit(layoutIn(`/${'x'.repeat(80)}`));
    }, /leave room for \d+[^]*--data-dir/);
  });

  it('are used by one start at a time', () => {
    const path = join(root, 'lock');
    const lock = lockFolder(path, root);
    assert.throws(() => lockFolder(path, root), new RegExp(`already runs on .*pid ${process.pid}`));
    lock.release();
    lockFolder(path, root).release();
  });
});

describe('the server of Postgres', () => {
  it('may pass through a folder as its bits say for owner, group and others', () => {
    const account = { uid: 101, gid: 104 };
    const folder = (mode: number, uid: number, gid: number) => ({ mode: 0o40000 | mode, uid, gid });
    assert.ok(maySearch(folder(0o711, 0, 0), account));
    assert.ok(!maySearch(folder(0o700, 0, 0), account));
    assert.ok(!maySearch(folder(0o077, 101, 0), account));
    assert.ok(maySearch(folder(0o710, 0, 104), account));
    assert.ok(!maySearch(folder(0o701, 0, 104), account));
  });

  it('is known by its file, and a torn file is none', () => {
    const text = '1234\n/data\n1700000000\n5433\n\n127.0.0.1\n  123 456\nready   \n';
    assert.deepEqual(parsePostmasterFile(text), { pid: 1234, status: 'ready' });
    assert.deepEqual(parsePostmasterFile('1234\n'), { pid: 1234, status: undefined });
    for (const torn of ['', '\n', 'x\n', '-5\n', '0\n']) assert.equal(parsePostmasterFile(torn), undefined);
  });
});
