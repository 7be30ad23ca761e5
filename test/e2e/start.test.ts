import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { freshCheckout, shellEnvironment } from '../support/checkout.ts';
import { listeningAddresses, npmStart, processesNaming, type Standalone } from '../support/standalone.ts';

const run = promisify(execFile);

/** Nothing leaves the machine by npm or by a proxy: each would lead to a port on which nobody listens. */
const NO_NETWORK = {
  npm_config_registry: 'http://127.0.0.1:9/',
  HTTP_PROXY: 'http://127.0.0.1:9/',
  HTTPS_PROXY: 'http://127.0.0.1:9/',
};

const CURL_LINE = /^curl .*$/m;

describe('a fresh clone', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  let root: string;
  let checkout: string;
  let data: string;
  let current: Standalone | undefined;
  const started: Standalone[] = [];

  const start = (args: string[] = [], environment: NodeJS.ProcessEnv = {}): Standalone => {
    const standalone = npmStart(
      checkout,
      ['--port', '0', '--data-dir', data, '--cache-dir', join(root, 'cache'), ...args],
      environment,
    );
    started.push(standalone);
    current = standalone;
    return standalone;
  };
  const currentOne = (): Standalone => {
    assert.ok(current);
    return current;
  };
  const curl = async (line: string): Promise<Buffer> => {
    const result = join(checkout, 'cutout.png');
    await rm(result, { force: true });
    await run('bash', ['-c', line], { cwd: checkout, env: shellEnvironment() });
    return readFile(result);
  };
  const assertNothingRuns = async (): Promise<void> => {
    assert.ok(
      await waitFor(async () => (await processesNaming(data)).length === 0),
      JSON.stringify(await processesNaming(data), null, 2),
    );
  };

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'imageplane-start-'));
    // As root, Postgres runs as another user, who must come to the data; the checkout stays closed to that user.
    await chmod(root, 0o755);
    data = join(root, 'data');
    checkout = await freshCheckout();
    await run('npm', ['ci'], { cwd: checkout, env: shellEnvironment(), maxBuffer: 16 * 1024 * 1024 });
  });
  after(async () => {
    for (const { killHard } of started) killHard();
    await waitFor(async () => (await processesNaming(data)).length === 0);
    await rm(root, { recursive: true, force: true });
    await rm(checkout, { recursive: true, force: true });
  });

  it('fetches the model with its progress and licence shown, and is ready within 30 s of that', async () => {
    const standalone = start(['--log-level', 'debug']);
    await standalone.printed(CURL_LINE, 600_000);
    const output = standalone.output();
    assert.match(output, /isnet-general-fp16: downloading [\d.]+ /);
    assert.match(output, /licence MIT/);
    assert.match(output, /AGPL-3\.0/);
    assert.ok(
      output.indexOf('licence MIT') < output.indexOf('downloading'),
      'the licence comes before the bytes',
    );
    assert.match(output, /Demo key 演示密钥: +ipk_/);
    const seconds = (pattern: RegExp): number => Number(pattern.exec(output)?.[1]);
    const sinceDownload = seconds(/ready after ([\d.]+) s\. /) - seconds(/models: there after ([\d.]+) s/);
    assert.ok(sinceDownload < 30, `${sinceDownload} s`);
  });

  it('prints a line that, pasted as it is, writes a PNG whose alpha separates the subject', async () => {
    const [line] = await currentOne().printed(CURL_LINE);
    assert.ok(line.includes('@examples/photos/astronaut.jpg'), line);
    await assertCutOut(await curl(line));
  });

  it('listens on loopback and in its closed folder only', async () => {
    const processes = await processesNaming(data);
    const addresses = await listeningAddresses(processes.map(({ pid }) => pid));
    // Gateway and its metrics, metrics of the inference server.
    assert.equal(addresses.length, 3, addresses.join(', '));
    for (const address of addresses) assert.match(address, /^127\.0\.0\.1:\d+$/);
    for (const folder of ['run', 'postgres'])
      assert.equal((await stat(join(data, folder))).mode & 0o777, 0o700, folder);
  });

  it('keeps secrets to itself', async () => {
    const { stdout } = await run('find', [
      data,
      '-path',
      join(data, 'postgres'),
      '-prune',
      '-o',
      '-type',
      'f',
      '-perm',
      '/077',
      '-print',
    ]);
    assert.equal(stdout.trim(), '');
    for (const { command } of await processesNaming(data))
      for (const name of ['internal.token', 'owner.password', 'gateway.password', 'postgres.password'])
        assert.ok(!command.includes((await readFile(join(data, 'secrets', name), 'utf8')).trim()));
  });

  it('refuses a second start on the same data, naming the first', async () => {
    const second = npmStart(checkout, [
      '--port',
      '0',
      '--data-dir',
      data,
      '--cache-dir',
      join(root, 'cache'),
    ]);
    assert.equal(await second.exited, 2);
    const pid = /already runs on .* \(pid (\d+)\)/.exec(second.output())?.[1];
    assert.ok((await processesNaming(data)).some((one) => one.pid === Number(pid)));
  });

  for (const name of ['gateway', 'api', 'inference'])
    it(`starts its ${name} again after kill -9, and serves as before`, async () => {
      const [line] = await currentOne().printed(CURL_LINE);
      const victim = (await processesNaming(data)).find(({ command }) =>
        new RegExp(`main\\.ts --config .*/run/${name}[^/]*\\.json`).test(command),
      );
      assert.ok(victim);
      process.kill(victim.pid, 'SIGKILL');
      await currentOne().printed(new RegExp(`^${name}.* ended \\(signal SIGKILL\\)`, 'm'));
      await currentOne().printed(new RegExp(`^${name}.* is back\\.`, 'm'), 60_000);
      let failure: unknown;
      const served = await waitFor(async () => {
        try {
          await assertCutOut(await curl(line));
          return true;
        } catch (error) {
          failure = error;
          return false;
        }
      });
      assert.ok(served, String(failure));
    });

  it('stops every process on Ctrl-C, and counts that as success', async () => {
    currentOne().pressCtrlC();
    await currentOne().exited;
    assert.match(currentOne().output(), /Stopped\./);
    await assertNothingRuns();
  });

  it('starts a second time without network in less than 15 s', async () => {
    const from = performance.now();
    const standalone = start([], NO_NETWORK);
    const [line] = await standalone.printed(CURL_LINE);
    const seconds = (performance.now() - from) / 1000;
    assert.ok(seconds < 15, `${seconds} s`);
    assert.ok(!standalone.output().includes('downloading'));
    await assertCutOut(await curl(line));
  });

  it('leaves no orphan when all of its process group is killed, and starts right after that', async () => {
    currentOne().killHard();
    await currentOne().exited;
    const standalone = start(['--offline']);
    const [line] = await standalone.printed(CURL_LINE);
    await assertCutOut(await curl(line));
    standalone.killHard();
    await standalone.exited;
    await assertNothingRuns();
  });

  it('starts after Postgres, too, was killed with everything else', async () => {
    const standalone = start(['--offline']);
    await standalone.printed(CURL_LINE);
    for (const { pid } of await processesNaming(data)) killIfThere(pid);
    await standalone.exited;
    const again = start(['--offline']);
    const [line] = await again.printed(CURL_LINE);
    await assertCutOut(await curl(line));
    again.pressCtrlC();
    await again.exited;
    await assertNothingRuns();
  });

  it('says which option to give when the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const standalone = start(['--port', String(address.port)]);
    assert.equal(await standalone.exited, 2);
    assert.match(standalone.output(), new RegExp(`Port ${address.port} .*another program[^]*--port`));
    other.close();
    await assertNothingRuns();
  });

  it('names file, line and what is allowed when the YAML is wrong, and ends with 2', async () => {
    const folder = join(root, 'objects');
    await mkdir(folder);
    const tenant = ['apiVersion: imageplane.dev/v1alpha1', 'kind: Tenant', 'metadata:', '  name: x', 'spec:'];
    await writeFile(join(folder, 'wrong.yaml'), [...tenant, '  plan: gold', ''].join('\n'));
    const standalone = start(['--objects', folder]);
    assert.equal(await standalone.exited, 2);
    assert.match(standalone.output(), /wrong\.yaml:6:\d+: .*plan.*free.*enterprise/);
    await assertNothingRuns();
  });

  it('explains an unknown option and an address that is not loopback, and ends with 2', async () => {
    const unknown = start(['--prot', '1']);
    assert.equal(await unknown.exited, 2);
    assert.match(unknown.output(), /--prot[^]*--help/);
    const open = start(['--host', '0.0.0.0']);
    assert.equal(await open.exited, 2);
    assert.match(open.output(), /only loopback/);
  });
});

/** In the sample photo, the face is around (220, 130) of 512 by 512, and the top right corner is background. */
async function assertCutOut(png: Buffer): Promise<void> {
  const image = sharp(png);
  const { width, height, hasAlpha, format } = await image.metadata();
  assert.deepEqual(
    { width, height, hasAlpha, format },
    { width: 512, height: 512, hasAlpha: true, format: 'png' },
  );
  const alpha = await image.extractChannel('alpha').raw().toBuffer();
  const mean = (left: number, top: number, size: number): number => {
    let sum = 0;
    for (let y = top; y < top + size; y++)
      for (let x = left; x < left + size; x++) sum += alpha[y * 512 + x] ?? 0;
    return sum / (size * size);
  };
  const face = mean(190, 90, 64);
  const background = mean(448, 0, 64);
  assert.ok(face > 250, `the face has a mean alpha of ${face}`);
  assert.ok(background < 5, `the background has a mean alpha of ${background}`);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended with the others.
  }
}

async function waitFor(condition: () => Promise<boolean>, limitMs = 40_000): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return true;
}
