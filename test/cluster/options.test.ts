import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../foundation/errors.ts';
import { parseCommandLine, parseMig } from './options.ts';

describe('The command line of the cluster', () => {
  it('has help where nothing, or --help, is given', () => {
    assert.equal(parseCommandLine([]).command, 'help');
    assert.equal(parseCommandLine(['up', '--help']).command, 'help');
  });

  it('takes its own flags before and after its commands', () => {
    const options = parseCommandLine([
      '--name',
      'a',
      'up',
      '--gpus',
      '4',
      '--mig',
      '1g.10gb=2',
      '--mig',
      '3g.40gb=1',
    ]);
    assert.deepEqual(options, {
      command: 'up',
      name: 'a',
      kubeconfig: undefined,
      gpus: 4,
      mig: { '1g.10gb': 2, '3g.40gb': 1 },
      maxPods: 110,
      rest: [],
    });
  });

  it('leaves everything after kubectl and helm to them', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.constantFrom('kubectl', 'helm'), (words, program) => {
        const options = parseCommandLine(['--name=x', program, ...words]);
        assert.deepEqual([options.command, options.name, options.rest], [program, 'x', words]);
      }),
    );
  });

  it('runs the tests on another cluster', () => {
    assert.equal(parseCommandLine(['test', '--kubeconfig', 'file']).kubeconfig, 'file');
    assert.equal(parseCommandLine(['--kubeconfig', 'file', 'test']).kubeconfig, 'file');
  });

  it('says what is wrong instead of guessing', () => {
    for (const given of [
      ['start'],
      ['up', '--gpus', 'many'],
      ['up', '--gpus', '-1'],
      ['up', '--mig', '1g.10gb'],
      ['up', '--colour', 'red'],
      ['--name', '../etc', 'down'],
      ['--name', 'UPPER', 'down'],
      ['--name', '-', 'down'],
    ]) {
      assert.throws(() => parseCommandLine(given), UsageError, given.join(' '));
    }
  });

  it('never takes a name that could leave its folder or a resource that is not one', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          assert.match(parseCommandLine([`--name=${text}`, 'down']).name, /^[a-z0-9-]{1,30}$/);
        } catch (error) {
          assert.ok(error instanceof UsageError);
        }
        try {
          for (const profile of Object.keys(parseMig([text]))) assert.match(profile, /^[1-7]g\.\d+gb/);
        } catch (error) {
          assert.ok(error instanceof UsageError);
        }
      }),
    );
  });
});
