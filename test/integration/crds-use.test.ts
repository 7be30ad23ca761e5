import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  API_VERSION,
  type Json,
  type JsonObject,
  type Kind,
  KINDS,
  type Schema,
  schemaOf,
} from '../../crds/crd.ts';
import type { Answer } from '../apiserver/apiserver.ts';
import { type CrdWorld, openCrdWorld } from '../apiserver/crd-world.ts';
import { messageOfAnswer, valueAt } from '../apiserver/install-crds.ts';
import { ensureBinaries, printProgress } from '../cluster/binaries.ts';

const run = promisify(execFile);
const MERGE = { 'content-type': 'application/merge-patch+json' };

let world: CrdWorld;
let home = '';
let program = '';
before(async () => {
  ({ kubectl: program } = await ensureBinaries(['kubectl'], { onProgress: printProgress }));
  // For what kubectl caches.
  home = await mkdtemp(join(tmpdir(), 'imageplane-kubectl-'));
  world = await openCrdWorld();
});
after(async () => {
  await world.close();
  await rm(home, { recursive: true, force: true });
});

async function kubectl(args: string[]): Promise<string> {
  const env = { ...process.env, HOME: home, KUBECONFIG: world.server.kubeconfig };
  return (await run(program, args, { env, maxBuffer: 16 * 1024 * 1024 })).stdout;
}

function assertStatus(answer: Answer, ...expected: number[]): Answer {
  assert.ok(expected.includes(answer.status), messageOfAnswer(answer));
  return answer;
}

const object = (kind: Kind, name: string, rest: JsonObject): JsonObject => ({
  apiVersion: API_VERSION,
  kind,
  metadata: { name },
  ...rest,
});

/** Which managers own a field, such as `f:spec.f:plan`. */
function ownersOf({ body }: Answer, ...field: string[]): string[] {
  const entries = valueAt(body, 'metadata', 'managedFields') as unknown as {
    manager: string;
    fieldsV1: Json;
  }[];
  return entries
    .filter(({ fieldsV1 }) => valueAt(fieldsV1, ...field) !== undefined)
    .map(({ manager }) => manager)
    .sort();
}

describe('two managers of one Tenant, by server-side apply,', () => {
  let name = '';
  let path = '';
  const apply = (manager: string, rest: JsonObject, force = false): Promise<Answer> =>
    world.apply(path, manager, object('Tenant', name, rest), { force });
  const rolesOf = ({ body }: Answer): Record<string, string> => {
    const groups = valueAt(body, 'spec', 'groups') as unknown as { name: string; role: string }[];
    return Object.fromEntries(groups.map((group) => [group.name, group.role]));
  };

  before(async () => {
    name = world.name();
    path = world.path('Tenant', name);
    const spec = { plan: 'enterprise', groups: [{ name: 'platform', role: 'tenant-admin' }] };
    assertStatus(await apply('git', { spec }), 201);
  });

  it('own what each of them wrote: one the spec, another the labels', async () => {
    const labels = { team: 'research' };
    const answer = assertStatus(
      await world.apply(path, 'labels', { ...object('Tenant', name, {}), metadata: { name, labels } }),
      200,
    );
    assert.deepEqual(ownersOf(answer, 'f:metadata', 'f:labels', 'f:team'), ['labels']);
    assert.deepEqual(ownersOf(answer, 'f:spec', 'f:plan'), ['git']);
    assert.equal(valueAt(answer.body, 'spec', 'plan'), 'enterprise');
  });

  it('share a list by its key: each adds its groups, and takes away none but its own', async () => {
    const spec = {
      groups: [
        { name: 'designers', role: 'editor' },
        { name: 'guests', role: 'guest' },
      ],
    };
    const both = assertStatus(await apply('directory', { spec }), 200);
    assert.deepEqual(rolesOf(both), { platform: 'tenant-admin', designers: 'editor', guests: 'guest' });
    const fewer = { groups: [{ name: 'designers', role: 'editor' }] };
    const one = assertStatus(await apply('directory', { spec: fewer }), 200);
    assert.deepEqual(rolesOf(one), { platform: 'tenant-admin', designers: 'editor' });
  });

  it('are told of a conflict with the name of the other and the field, down to the item of a list', async () => {
    const spec = { plan: 'free', groups: [{ name: 'platform', role: 'guest' }] };
    const answer = assertStatus(await apply('directory', { spec }), 409);
    const causes = valueAt(answer.body, 'details', 'causes') as unknown as Record<string, string>[];
    assert.deepEqual(causes.map(({ reason, field }) => [reason, field]).sort(), [
      ['FieldManagerConflict', '.spec.groups[name="platform"].role'],
      ['FieldManagerConflict', '.spec.plan'],
    ]);
    for (const { message } of causes) assert.match(message ?? '', /conflict with "git"/);
    const { body } = await world.server.request('GET', path);
    assert.equal(valueAt(body, 'spec', 'plan'), 'enterprise');
  });

  it('may share a field in which they agree', async () => {
    const spec = { plan: 'enterprise', groups: [{ name: 'designers', role: 'editor' }] };
    const answer = assertStatus(await apply('directory', { spec }), 200);
    assert.deepEqual(ownersOf(answer, 'f:spec', 'f:plan'), ['directory', 'git']);
  });

  it('may take a field over by force, and the former owner meets the conflict then', async () => {
    const spec = { plan: 'free', groups: [{ name: 'designers', role: 'editor' }] };
    const forced = assertStatus(await apply('directory', { spec }, true), 200);
    assert.equal(valueAt(forced.body, 'spec', 'plan'), 'free');
    assert.deepEqual(ownersOf(forced, 'f:spec', 'f:plan'), ['directory']);
    const again = { plan: 'enterprise', groups: [{ name: 'platform', role: 'tenant-admin' }] };
    const refused = assertStatus(await apply('git', { spec: again }), 409);
    assert.match(messageOfAnswer(refused), /conflict with "directory".*: \.spec\.plan/);
  });

  it('give a field back to its default by leaving it out', async () => {
    const spec = { groups: [{ name: 'designers', role: 'editor' }] };
    const answer = assertStatus(
      await apply('directory', { spec: { ...spec, limits: { concurrency: 7 } } }),
      200,
    );
    assert.equal(valueAt(answer.body, 'spec', 'limits', 'concurrency'), 7);
    const left = assertStatus(await apply('directory', { spec }), 200);
    assert.equal(valueAt(left.body, 'spec', 'limits', 'concurrency'), 0);
  });

  it('write the status apart from the spec, the operator its conditions and the API its usage', async () => {
    const { body: before } = await world.server.request('GET', path);
    const condition = (type: string): Json => ({
      type,
      status: 'True',
      lastTransitionTime: '2026-11-24T00:00:00Z',
      reason: 'AsDeclared',
      message: 'Everything is as declared.',
    });
    const sums = { requests: 3, megapixels: 1, computeSeconds: 2 };
    const usage = { day: { period: '2026-11-24', ...sums }, month: { period: '2026-11', ...sums } };
    const status = (manager: string, value: JsonObject): Promise<Answer> =>
      world.apply(`${path}/status`, manager, object('Tenant', name, { status: value }));
    assertStatus(await status('operator', { observedGeneration: 1, conditions: [condition('Ready')] }), 200);
    const both = assertStatus(await status('api', { usage, conditions: [condition('UsageCurrent')] }), 200);
    const conditions = valueAt(both.body, 'status', 'conditions') as unknown as { type: string }[];
    assert.deepEqual(conditions.map(({ type }) => type).sort(), ['Ready', 'UsageCurrent']);
    assert.deepEqual(ownersOf(both, 'f:status', 'f:usage'), ['api']);
    assert.deepEqual(ownersOf(both, 'f:status', 'f:observedGeneration'), ['operator']);
    const conflict = assertStatus(await status('api', { observedGeneration: 2 }), 409);
    assert.match(messageOfAnswer(conflict), /conflict with "operator".*: \.status\.observedGeneration/);
    assert.deepEqual(valueAt(both.body, 'spec'), valueAt(before, 'spec'));
    assert.equal(valueAt(both.body, 'metadata', 'generation'), valueAt(before, 'metadata', 'generation'));
  });

  it('cannot write the status with the spec, nor the spec with the status', async () => {
    const { body: before } = await world.server.request('GET', path);
    const change = { spec: { displayName: 'New' }, status: { namespace: 'elsewhere' } };
    const main = assertStatus(await world.server.request('PATCH', path, change, MERGE), 200);
    assert.equal(valueAt(main.body, 'spec', 'displayName'), 'New');
    assert.deepEqual(valueAt(main.body, 'status'), valueAt(before, 'status'));
    const other = { spec: { displayName: 'Newer' }, status: { namespace: 'elsewhere' } };
    const sub = assertStatus(await world.server.request('PATCH', `${path}/status`, other, MERGE), 200);
    assert.equal(valueAt(sub.body, 'spec', 'displayName'), 'New');
    assert.equal(valueAt(sub.body, 'status', 'namespace'), 'elsewhere');
  });
});

describe('what cannot change', () => {
  /** The sentences of rules about changes that a test has met. */
  const met = new Set<string>();

  async function change(kind: Kind, name: string, spec: JsonObject): Promise<Answer> {
    const answer = await world.server.request('PATCH', world.path(kind, name), { spec }, MERGE);
    if (answer.status === 422)
      for (const cause of valueAt(answer.body, 'details', 'causes') as unknown as { message: string }[])
        met.add(`${kind}: ${cause.message.replace(/^Invalid value: /, '')}`);
    return answer;
  }

  it('is the namespace of a Tenant: neither set, nor changed, nor removed', async () => {
    const [without, withOne] = [world.name(), world.name()];
    const tenant = (name: string, spec: JsonObject): JsonObject => object('Tenant', name, { spec });
    assertStatus(await world.create('Tenant', tenant(without, {})), 201);
    assertStatus(await world.create('Tenant', tenant(withOne, { namespace: 'research' })), 201);
    for (const [name, namespace] of [
      [without, 'research'],
      [withOne, 'other'],
      [withOne, null],
    ] as const) {
      const answer = assertStatus(await change('Tenant', name, { namespace }), 422);
      assert.match(messageOfAnswer(answer), /the namespace of a tenant cannot change.*make a new Tenant/);
    }
    for (const [name, namespace] of [
      [without, null],
      [withOne, 'research'],
    ] as const)
      assertStatus(await change('Tenant', name, { namespace, plan: 'enterprise' }), 200);
  });

  for (const kind of ['ClusterImageModel', 'ImageModel'] as const)
    it(`is which files ${kind} has, by name and digest; only where they come from may`, async () => {
      const name = world.name();
      const sample = world.sample('model', { kind, 'metadata.name': name });
      assertStatus(await world.create(kind, sample), 201);
      const [file] = valueAt(sample, 'spec', 'files') as unknown as [JsonObject];
      const other = { ...file, name: 'other.onnx' };
      for (const files of [
        [{ ...file, sha256: 'b'.repeat(64) }],
        [{ ...file, name: 'renamed.onnx' }],
        [file, other],
        [other],
      ]) {
        const answer = assertStatus(await change(kind, name, { files }), 422);
        assert.match(
          messageOfAnswer(answer),
          /names and digests of a model cannot change: make a model with/,
        );
      }
      const moved = [{ ...file, source: 's3://bucket/tiny.onnx' }];
      assertStatus(await change(kind, name, { files: moved, displayName: 'Moved' }), 200);
    });

  it('is all that the definitions say cannot', () => {
    const rulesOf = (schema: Schema): string[] => [
      ...(schema['x-kubernetes-validations'] ?? [])
        .filter(({ rule }) => /\boldSelf\b/.test(rule))
        .map(({ message }) => message),
      ...childrenOf(schema).flatMap(([, child]) => rulesOf(child)),
    ];
    const all = KINDS.flatMap((kind) =>
      rulesOf(schemaOf(world.crds[kind])).map((message) => `${kind}: ${message}`),
    );
    assert.deepEqual([...met].sort(), all.sort());
    assert.ok(all.length > 0);
  });
});

describe('an ImageService', () => {
  it('is scaled by its scale subresource, which shows its pods', async () => {
    const name = world.name();
    const path = world.path('ImageService', name);
    const changes = { 'metadata.name': name, 'spec.replicas': 1 };
    assertStatus(await world.create('ImageService', world.sample('onnx', changes)), 201);
    const selector = `imageplane.dev/service=${name}`;
    const status = { status: { replicas: 2, selector } };
    assertStatus(await world.server.request('PATCH', `${path}/status`, status, MERGE), 200);
    const scale = assertStatus(await world.server.request('GET', `${path}/scale`), 200).body as JsonObject;
    assert.equal(valueAt(scale, 'kind'), 'Scale');
    assert.deepEqual(valueAt(scale, 'status'), { replicas: 2, selector });
    const wanted = { ...scale, spec: { replicas: 3 } };
    const put = assertStatus(await world.server.request('PUT', `${path}/scale`, wanted), 200);
    assert.deepEqual(valueAt(put.body, 'spec'), { replicas: 3 });
    const { body } = await world.server.request('GET', path);
    assert.equal(valueAt(body, 'spec', 'replicas'), 3);
    assert.equal(valueAt(body, 'metadata', 'generation'), 2);
    const stale = await world.server.request('PUT', `${path}/scale`, { ...wanted, spec: { replicas: 4 } });
    assertStatus(stale, 409);
    const many = { spec: { replicas: 1001 } };
    const refused = await world.server.request('PATCH', `${path}/scale`, many, MERGE);
    assert.match(messageOfAnswer(assertStatus(refused, 422)), /spec\.replicas.*less than or equal to 1000/);
  });

  it('that leaves replicas out is scaled by kubectl, though the number cannot be read before', async () => {
    const name = world.name();
    const path = world.path('ImageService', name);
    assertStatus(await world.create('ImageService', world.sample('onnx', { 'metadata.name': name })), 201);
    const unread = assertStatus(await world.server.request('GET', `${path}/scale`), 500);
    assert.match(messageOfAnswer(unread), /\.spec\.replicas. does not exist/);
    await kubectl([
      'scale',
      '--namespace',
      world.namespace,
      '--replicas=3',
      `imageservices.imageplane.dev/${name}`,
    ]);
    const { body } = assertStatus(await world.server.request('GET', `${path}/scale`), 200);
    assert.deepEqual(valueAt(body, 'spec'), { replicas: 3 });
  });

  it('that scales itself cannot be scaled by hand at the same time', async () => {
    const name = world.name();
    const changes = { 'metadata.name': name, 'spec.autoscaling': { maxReplicas: 3 } };
    assertStatus(await world.create('ImageService', world.sample('onnx', changes)), 201);
    const path = `${world.path('ImageService', name)}/scale`;
    const answer = await world.server.request('PATCH', path, { spec: { replicas: 2 } }, MERGE);
    assert.match(messageOfAnswer(assertStatus(answer, 422)), /replicas and autoscaling exclude each other/);
  });
});

function childrenOf(schema: Schema): [name: string | undefined, child: Schema][] {
  return [
    ...Object.entries(schema.properties ?? {}),
    ...[schema.items, schema.additionalProperties]
      .filter((child) => child !== undefined)
      .map((child): [undefined, Schema] => [undefined, child]),
  ];
}

/** Paths of all fields of a kind and what they are, but for Kubernetes' own metadata. */
function fieldsOf(
  schema: Schema,
  path: readonly string[] = [],
): { path: readonly string[]; schema: Schema }[] {
  return childrenOf(schema).flatMap(([name, child]) => {
    if (name === undefined) return fieldsOf(child, path);
    if (path.length === 0 && name === 'metadata') return [];
    const here = [...path, name];
    return [{ path: here, schema: child }, ...fieldsOf(child, here)];
  });
}

describe('kubectl explain', () => {
  const explain = (...args: string[]): Promise<string> => kubectl(['explain', ...args]);

  /** The fields that `--recursive` lists, by their indentation of two more for each level. */
  function listed(output: string): string[] {
    const path: string[] = [];
    const [, list = ''] = output.split('\nFIELDS:\n');
    return list
      .split('\n')
      .map((line) => /^(?<indent> +)(?<name>[\w-]+)\t/.exec(line)?.groups)
      .filter((groups) => groups !== undefined)
      .map(({ indent = '', name = '' }) => {
        path.length = indent.length / 2 - 1;
        path.push(name);
        return path.join('.');
      })
      .filter((field) => !field.startsWith('metadata'));
  }

  for (const kind of KINDS)
    it(`knows and explains every field of ${kind}`, async () => {
      const { plural } = world.crds[kind].spec.names;
      const resource = `${plural}.imageplane.dev`;
      const fields = fieldsOf(schemaOf(world.crds[kind]));
      const names = fields.map(({ path }) => path.join('.'));
      assert.deepEqual(listed(await explain(resource, '--recursive')).sort(), names.sort());
      // A block's page has the descriptions of its fields, folded into lines.
      const flat = (text: string): string => text.replace(/\s+/g, ' ');
      const blocks = new Set(fields.map(({ path }) => path.slice(0, -1).join('.')));
      const pages = new Map<string, string>();
      for (const block of blocks)
        pages.set(block, flat(await explain(block === '' ? resource : `${resource}.${block}`)));
      for (const { path, schema } of fields) {
        const { description = '' } = schema;
        const page = pages.get(path.slice(0, -1).join('.')) ?? '';
        // Kubernetes has words of its own for these two.
        const own = path.length === 1 && ['apiVersion', 'kind'].includes(path[0] ?? '');
        assert.ok(own || page.includes(flat(description)), `${path.join('.')}: ${description}\n${page}`);
        assert.ok(description.length > 3, path.join('.'));
      }
      console.log(`${kind}: ${fields.length} fields on ${blocks.size} pages`);
    });
});
