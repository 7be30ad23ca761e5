import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '../foundation/errors.ts';
import {
  defaultFolders,
  helpText,
  LOG_LEVELS,
  type Options,
  parseOptions,
  type Surroundings,
} from './options.ts';

const surroundings: Surroundings = {
  env: { HOME: '/home/me' },
  cwd: '/work/here',
  checkout: '/src/imageplane',
  root: false,
};

function parsed(argv: string[], more: Partial<Surroundings> = {}): Options {
  const options = parseOptions(argv, { ...surroundings, ...more });
  assert.ok(options !== 'help');
  return options;
}

describe('the options of npm start', () => {
  it('have a default each', () => {
    assert.deepEqual(parsed([]), {
      port: 8080,
      host: '127.0.0.1',
      dataDir: '/home/me/.local/share/imageplane',
      cacheDir: '/home/me/.cache/imageplane',
      objects: ['/src/imageplane/examples', '/src/imageplane/models'],
      identityProviders: undefined,
      logLevel: 'info',
      offline: false,
    });
  });

  it('that npm took for itself are named with the command that gives them', () => {
    for (const [argv, kept] of [
      [['8081'], 'true'],
      [[], '8081'],
    ] as const)
      assert.throws(
        () => parseOptions([...argv], { ...surroundings, env: { npm_config_port: kept } }),
        /npm start -- --port 8081$/,
      );
  });

  it('put data where root, XDG, the environment and the option say, the later before the earlier', () => {
    assert.equal(parsed([], { root: true }).dataDir, '/var/lib/imageplane');
    assert.equal(parsed([], { root: true }).cacheDir, '/var/cache/imageplane');
    const env = { HOME: '/home/me', XDG_DATA_HOME: '/data', XDG_CACHE_HOME: 'relative' };
    assert.equal(parsed([], { env }).dataDir, '/data/imageplane');
    assert.equal(parsed([], { env }).cacheDir, '/home/me/.cache/imageplane');
    const chosen = { env: { ...env, IMAGEPLANE_DATA: '/chosen', IMAGEPLANE_CACHE: 'sub' } };
    assert.equal(parsed([], chosen).dataDir, '/chosen');
    assert.equal(parsed([], chosen).cacheDir, '/work/here/sub');
    assert.equal(parsed(['--data-dir', 'x'], chosen).dataDir, '/work/here/x');
  });

  it('take several objects, from where the person stands', () => {
    assert.deepEqual(parsed(['--objects', 'a.yaml', '--objects', '/b']).objects, ['/work/here/a.yaml', '/b']);
  });

  it('accept every spelling of loopback and nothing else', () => {
    for (const host of ['127.0.0.1', 'localhost']) assert.equal(parsed(['--host', host]).host, '127.0.0.1');
    for (const host of ['::1', '[::1]']) assert.equal(parsed(['--host', host]).host, '::1');
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', ''])
      assert.throws(() => parsed(['--host', host]), /only loopback/);
  });

  it('are refused with the option and what it takes', () => {
    const refused: [string[], RegExp][] = [
      [['--port', '65536'], /--port 65536: .*1 to 65535/],
      [['--port', '-1'], /port/],
      [['--port', '0x50'], /--port 0x50/],
      [['--port', ''], /--port/],
      [['--log-level', 'loud'], /--log-level loud: one of error, warn/],
      [['--nope'], /--nope[^]*--help/],
      [['stray'], /stray[^]*--help/],
    ];
    for (const [argv, reason] of refused)
      assert.throws(
        () => parsed(argv),
        (error) => error instanceof UsageError && reason.test(error.message),
        argv.join(' '),
      );
  });

  it('are all in the help, with the defaults that hold here', () => {
    assert.equal(parseOptions(['-h'], surroundings), 'help');
    const help = helpText(surroundings);
    for (const option of ['port', 'host', 'data-dir', 'cache-dir', 'objects', 'offline', 'log-level', 'help'])
      assert.match(help, new RegExp(`--${option}\\b`));
    for (const level of LOG_LEVELS) assert.ok(help.includes(level));
    assert.ok(help.includes(defaultFolders(surroundings).data));
    assert.ok(help.split('\n').every((line) => line.length <= 120));
  });
});
