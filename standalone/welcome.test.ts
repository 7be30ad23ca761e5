import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { curlLine, pathFrom, shellWord, welcomeText } from './welcome.ts';

describe('the line for a shell', () => {
  const request = { url: 'http://127.0.0.1:8080/s/demo/cutout/api/remove', key: 'ipk_a_b', cwd: '/src' };

  it('is one line, with the photo relative to where the person stands', () => {
    const line = curlLine({ ...request, photo: '/src/examples/photos/astronaut.jpg' });
    assert.match(line, /^curl -fsS .*-F file=@examples\/photos\/astronaut\.jpg -o cutout\.png http:\/\/\S+$/);
    assert.ok(!line.includes('\n'));
  });

  it('names the photo absolutely from elsewhere', () => {
    assert.equal(pathFrom('/src/docs', '/src/examples/x.jpg'), '/src/examples/x.jpg');
    assert.equal(pathFrom('/src', '/src/..x/y.jpg'), '/src/..x/y.jpg');
  });

  it('survives folders with spaces, quotes and semicolons', () => {
    const line = curlLine({ ...request, photo: `/my "own"; it's/a.jpg` });
    const words = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }; ${line}`], {
      encoding: 'utf8',
    });
    assert.ok(words.split('\n').includes(String.raw`file=@"/my \"own\"; it's/a.jpg"`), words);
  });

  it('quotes any text so that a shell gives it back', () => {
    const text = fc.string({ maxLength: 40 }).filter((given) => !given.includes('\0'));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 30 }), (texts) => {
        const script = texts.map((one) => `printf '%s\\0' ${shellWord(one)}`).join('; ');
        const back = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
        assert.deepEqual(back, texts);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the welcome', () => {
  it('has one line that starts with curl, and leaves out what is not there', () => {
    const welcome = {
      address: 'http://127.0.0.1:8080',
      seconds: 5.04,
      key: { tenant: 'demo', key: 'ipk_x' },
      services: ['/s/demo/cutout'],
      licences: ['Model x: licence MIT.'],
      notices: [],
      logs: '/data/logs',
      curl: 'curl -fsS x',
    };
    const text = welcomeText(welcome);
    assert.equal(text.split('\n').filter((line) => line.startsWith('curl ')).length, 1);
    assert.ok(text.includes('export IMAGEPLANE_URL=http://127.0.0.1:8080 IMAGEPLANE_KEY=ipk_x\n'));
    assert.ok(!text.includes('Not started'));
    assert.match(text, /http:\/\/127\.0\.0\.1:8080\/s\/demo\/cutout/);
    const bare = welcomeText({ ...welcome, key: undefined, curl: undefined, services: [], licences: [] });
    assert.ok(!bare.includes('curl') && !bare.includes('ipk_'));
  });
});
