import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { UsageError } from '../foundation/errors.ts';
import { readCrds } from './crd.ts';
import { executionProvider, requestsPerMinute, tenantNamespace, tenantOfNamespace } from './effective.ts';
import { loadObjects, type Objects, parseObjects } from './load.ts';
import { sample, samples } from './sample-objects.ts';
import { createValidator } from './validation.ts';

const validate = createValidator(await readCrds());

function parse(...texts: string[]): Objects {
  return parseObjects(
    texts.map((text, index) => ({ file: `${index}.yaml`, text })),
    validate,
  );
}

/** The lines of the refusal. */
function refusal(...texts: string[]): string[] {
  try {
    parse(...texts);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.message.split('\n');
  }
  assert.fail('nothing was refused');
}

const good = stringify(sample('tenant')) + '---\n' + stringify(sample('model'));

describe('a mistake in a file', () => {
  const text = `# a comment
apiVersion: imageplane.dev/v1alpha1
kind: ImageService
metadata:
  name: cutout
  namespace: tenant-demo
spec:
  engine: onnx
  modelReff:
    name: tiny
  queue: { depth: 0 }
  access:
    allowedCIDRs:
      - 10.0.0.0/8
      - 10.0.0.1
  gpu:
    profile: 1g.10gb
    resourceName: nvidia.com/gpu
`;

  it('is named by file, line, column and field, with what is allowed', () => {
    const lines = refusal(text);
    assert.match(
      lines[0] ?? '',
      /^0\.yaml:9:3: spec\.modelReff: unknown field; did you mean "modelRef"\? Allowed here: access, autoscaling, /,
    );
  });

  it('stands at the value when the value is wrong, at the name when the name is, at the block when a rule is broken', () => {
    const places = refusal(text.replace('modelReff', 'modelRef')).map((line) =>
      line.split(': ').slice(0, 2).join(' '),
    );
    assert.deepEqual(places, [
      '0.yaml:11:19 spec.queue.depth',
      '0.yaml:15:9 spec.access.allowedCIDRs[1]',
      '0.yaml:16:3 spec.gpu',
    ]);
  });

  it('is found in the right document of several', () => {
    assert.match(refusal(`${good}---\n${text.replace('modelReff', 'modelRef')}`)[0] ?? '', /^0\.yaml:(\d+):/);
    const lines = refusal(`---\n${text}---\n${text}`);
    assert.ok(lines.some((line) => line.startsWith('0.yaml:10:3: spec.modelReff')));
    assert.ok(lines.some((line) => line.startsWith('0.yaml:29:3: spec.modelReff')));
  });

  it('is found behind an alias and a merge key', () => {
    const lines = refusal(`apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: { name: demo }
spec:
  access:
    allowedCIDRs: &blocks [10.0.0.0]
    unlimitedCIDRs: *blocks
  limits:
    <<: { requestsPerDay: -1 }
`);
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? '', /^0\.yaml:6:28: spec\.access\.allowedCIDRs\[0\]: /);
    assert.match(lines[1] ?? '', /^0\.yaml:6:28: spec\.access\.unlimitedCIDRs\[0\]: /);
    assert.match(
      lines[2] ?? '',
      /^0\.yaml:8:3: spec\.limits\.requestsPerDay: -1 is out of range; write a whole number/,
    );
  });

  it('in the syntax is named likewise', () => {
    assert.match(refusal('kind: Tenant\n  name: x\n')[0] ?? '', /^0\.yaml:1:7: not valid YAML: /);
    assert.match(refusal('a: 1\na: 2\n')[0] ?? '', /^0\.yaml:2:1: not valid YAML: .*unique/);
    assert.match(refusal('a: [1\nb: 2')[0] ?? '', /^0\.yaml:\d:\d: not valid YAML: /);
    assert.match(refusal('a: !secret x')[0] ?? '', /^0\.yaml:1:4: not valid YAML: .*!secret/);
  });

  it('may be a word that Kubernetes reads otherwise', () => {
    const named = (word: string): string =>
      `apiVersion: imageplane.dev/v1alpha1\nkind: Tenant\nmetadata: {name: demo}\nspec:\n  displayName: ${word}\n`;
    assert.match(
      refusal(named('no'))[0] ?? '',
      /^0\.yaml:5:16: Kubernetes reads an unquoted no as false; write/,
    );
    assert.match(refusal(named('0123'))[0] ?? '', /^0\.yaml:5:16: .*leading zeros/);
    assert.equal(parse(named('"no"')).tenants[0]?.spec.displayName, 'no');
  });

  it('may be a kind that is not ours, and is told which are', () => {
    const [line] = refusal('apiVersion: v1\nkind: Namespace\nmetadata: {name: tenant-demo}\n');
    assert.match(
      line ?? '',
      /^0\.yaml:2:7: kind: "Namespace" of "v1" is not known here; .*Tenant, ImageService/,
    );
    assert.match(refusal('hello')[0] ?? '', /^0\.yaml:1:1: an object with apiVersion and kind was expected/);
  });
});

describe('aliases and nesting', () => {
  it('cannot be used to fill the memory', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}, *l${i}]`);
    assert.match(refusal(`l0: &l0 [x]\n${levels.join('\n')}\n`)[0] ?? '', /cannot be read: .*alias/i);
    const wide = `a: &a [${'1,'.repeat(60_000)}1]\nb: [${Array(20).fill('*a').join(', ')}]\n`;
    assert.match(refusal(wide)[0] ?? '', /more than 500000 values/);
  });

  it('cannot exhaust the stack', () => {
    assert.match(refusal(`a: ${'['.repeat(100_000)}`)[0] ?? '', /^0\.yaml:\d+:\d+: /);
    assert.match(refusal(`a: ${'['.repeat(100)}${']'.repeat(100)}`)[0] ?? '', /more than 64 levels deep/);
    assert.match(refusal('a: &a [*a]')[0] ?? '', /^0\.yaml:1:/);
  });
});

describe('objects that do not fit each other', () => {
  const service = (changes: Parameters<typeof sample>[1] = {}): string => stringify(sample('onnx', changes));
  const tenant = (changes: Parameters<typeof sample>[1] = {}): string => stringify(sample('tenant', changes));
  const model = stringify(sample('model'));
  const cases: [string, string[], RegExp][] = [
    [
      'a namespace without tenant',
      [tenant(), model, service({ 'metadata.namespace': 'tenant-dem' })],
      /^2\.yaml:5:14: metadata\.namespace: .*did you mean "tenant-demo"\? Namespaces of Tenants are: tenant-demo$/,
    ],
    ['no tenant at all', [model, service()], /There is no Tenant yet: write one/],
    [
      'a model that is not there',
      [tenant(), model, service({ 'spec.modelRef.name': 'tinny' })],
      /^2\.yaml:9:11: spec\.modelRef\.name: there is no ClusterImageModel tinny; did you mean "tiny"\? There are: tiny$/,
    ],
    [
      'a model of another namespace',
      [tenant(), service({ 'spec.modelRef.kind': 'ImageModel' })],
      /no ImageModel tiny in the namespace tenant-demo; There is none yet/,
    ],
    [
      'a canary that is not there',
      [tenant(), model, service({ 'spec.canary': { modelRef: { name: 'b' }, weight: 1 } })],
      /spec\.canary\.modelRef\.name: there is no ClusterImageModel b/,
    ],
    [
      'a model that the tenant may not use',
      [tenant({ 'spec.models.allowed': ['other'] }), model, service()],
      /the Tenant demo may not use the ClusterImageModel tiny; its spec\.models\.allowed has other/,
    ],
    [
      'a task that the model does not do',
      [tenant(), model, service({ 'spec.task': 'face-swap' })],
      /spec\.task: the model tiny is for background-removal, not for face-swap; write task: background-removal/,
    ],
    [
      'an intranet that nobody named',
      [tenant(), model, service({ 'spec.access.intranetOnly': true })],
      /write spec\.access\.intranetCIDRs in the Tenant/,
    ],
    [
      'one service too many',
      [tenant({ 'spec.quota.services': 0 }), model, service()],
      /may have 0 ImageServices and this is one more/,
    ],
    [
      'the same object twice',
      [tenant(), tenant()],
      /^1\.yaml:4:9: metadata\.name: the Tenant demo stands already at 0\.yaml:4; remove one/,
    ],
    [
      'two tenants in one namespace',
      [tenant(), tenant({ 'metadata.name': 'b', 'spec.namespace': 'tenant-demo' })],
      /already belongs to the Tenant demo/,
    ],
    [
      'a time zone that is none',
      [
        tenant({
          'spec.access.timeWindows': [
            { days: ['Mon'], from: '08:00', to: '09:00', timeZone: 'Asia/Shangai' },
          ],
        }),
      ],
      /there is no time zone Asia\/Shangai; did you mean "Asia\/Shanghai"\?/,
    ],
    [
      'a time zone of the night that is none',
      [tenant({ 'spec.access.risk.timeZone': 'Mars/Olympus' })],
      /spec\.access\.risk\.timeZone: there is no time zone Mars\/Olympus;/,
    ],
    [
      'a time zone of a service that is none',
      [
        tenant(),
        `${model}---\n${service({
          'spec.access.timeWindows': [
            { days: ['Mon'], from: '08:00', to: '09:00', timeZone: 'Asia/Shangai' },
          ],
        })}`,
      ],
      /spec\.access\.timeWindows\[0\]\.timeZone: there is no time zone Asia\/Shangai;/,
    ],
  ];
  for (const [mistake, texts, expected] of cases) {
    it(`are refused: ${mistake}`, () => {
      const lines = refusal(...texts);
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0] ?? '', expected);
    });
  }

  it('are fine when they fit', () => {
    const objects = parse(
      tenant({ 'spec.models.allowed': ['tiny'], 'spec.namespace': 'research' }),
      `${model}---\n${service({ 'metadata.namespace': 'research' })}`,
    );
    const [demo] = objects.tenants;
    const [cutout] = objects.imageServices;
    assert.ok(demo !== undefined && cutout !== undefined);
    assert.equal(tenantNamespace(demo), 'research');
    assert.equal(tenantOfNamespace('research', objects.tenants), demo);
    assert.equal(tenantOfNamespace('tenant-demo', objects.tenants), undefined);
    assert.equal(requestsPerMinute(demo), 10);
    assert.equal(executionProvider(cutout), 'cpu');
  });

  it('have the presets of their plan and the provider of their GPU', () => {
    const [enterprise] = parse(tenant({ 'spec.plan': 'enterprise' })).tenants;
    const [limited] = parse(
      tenant({ 'spec.plan': 'enterprise', 'spec.limits.requestsPerMinute': 7 }),
    ).tenants;
    assert.ok(enterprise !== undefined && limited !== undefined);
    assert.equal(requestsPerMinute(enterprise), 500);
    assert.equal(requestsPerMinute(limited), 7);
    const provider = (changes: Parameters<typeof sample>[1]): string | undefined => {
      const [first] = parse(tenant(), model, service(changes)).imageServices;
      return first === undefined ? undefined : executionProvider(first);
    };
    assert.equal(provider({ 'spec.gpu': {} }), 'cuda');
    assert.equal(provider({ 'spec.executionProvider': 'webgpu' }), 'webgpu');
  });
});

describe('files and folders', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imageplane-objects-'));
    await mkdir(join(folder, 'inner'));
    await mkdir(join(folder, 'empty'));
    await writeFile(join(folder, 'b.yaml'), stringify(samples.model));
    await writeFile(join(folder, 'a.yml'), `# nothing here\n---\n${stringify(samples.tenant)}`);
    await writeFile(join(folder, 'notes.txt'), 'not read');
    await writeFile(join(folder, 'inner', 'c.yaml'), 'not: read');
    await writeFile(join(folder, 'latin.bin'), Buffer.from([0xff, 0xfe, 0x00]));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  it('are read together, each file once', async () => {
    const objects = await loadObjects([folder, join(folder, 'b.yaml')]);
    assert.deepEqual([objects.tenants.length, objects.clusterImageModels.length], [1, 1]);
  });

  it('that cannot be read are named, all of them', async () => {
    const paths = ['missing.yaml', 'empty', 'latin.bin'].map((name) => join(folder, name));
    await assert.rejects(loadObjects(paths), (error) => {
      assert.ok(error instanceof UsageError);
      const lines = error.message.split('\n');
      assert.deepEqual(lines.map((line) => line.split(':')[0]).sort(), [...paths].sort());
      return true;
    });
  });

  it('of the repository are valid: examples and models, together', async () => {
    const root = new URL('../', import.meta.url).pathname;
    const objects = await loadObjects([join(root, 'examples'), join(root, 'models')]);
    assert.ok(objects.tenants.length > 0 && objects.imageServices.length > 0);
    assert.deepEqual(objects.clusterImageModels.map(({ metadata }) => metadata.name).sort(), [
      'isnet-general-fp16',
      'isnet-general-int8',
    ]);
    assert.ok(objects.unpinnedModels.some(({ metadata }) => metadata.name === 'u2net'));
  });
});

describe('a model of which a file has no digest', () => {
  const unpinned = {
    ...samples.model,
    spec: {
      ...samples.model.spec,
      files: [{ name: 'model.onnx', source: 'https://models.example/model.onnx' }],
    },
  };
  const service = samples.onnx;

  it('is there for nobody, and who names it is told how to record one', () => {
    const objects = parse(stringify(unpinned));
    assert.deepEqual([objects.clusterImageModels.length, objects.unpinnedModels.length], [0, 1]);
    assert.throws(
      () => parse([samples.tenant, service, unpinned].map((object) => stringify(object)).join('---\n')),
      /has a file without a sha256, and such a file is never loaded; .*npm run models -- pin 0\.yaml/,
    );
  });

  it('is held to everything else, and to having neither digest nor size or both', () => {
    const wrong = { ...unpinned, spec: { ...unpinned.spec, precision: 'fp7' } };
    assert.throws(() => parse(stringify(wrong)), /spec\.precision/);
    const half = {
      ...unpinned,
      spec: { ...unpinned.spec, files: [{ ...unpinned.spec.files[0], size: 7 }] },
    };
    assert.throws(() => parse(stringify(half)), /sha256/);
  });
});

describe('loading', () => {
  it('throws nothing but a UsageError, whatever the text', () => {
    const piece = fc.constantFrom(
      ...'- |: |\n|  |[|]|{|}|&a |*a|!!|!|"|\'|# |--- |...|<<: |? |%YAML 1.2\n|kind: Tenant\n|spec:\n|  |null|~|\t|,|>|__proto__: 1\n|constructor: {}\n'.split(
        '|',
      ),
    );
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.array(piece, { maxLength: 40 }).map((all) => all.join('')),
    );
    const mutated = fc
      .tuple(fc.nat(good.length), fc.nat(30), fc.oneof(piece, fc.string()))
      .map(([at, length, put]) => good.slice(0, at) + put + good.slice(at + length));
    const object = fc.jsonValue().map((value) => stringify({ ...samples.tenant, spec: value }));
    fc.assert(
      fc.property(fc.oneof(text, mutated, object), (source) => {
        try {
          parse(source);
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
          for (const line of error.message.split('\n'))
            assert.match(line, /^0\.yaml:\d+:\d+: .|^and \d+ more problems$/s);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
