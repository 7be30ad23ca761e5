import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { readCrds, type Schema, schemaOf } from '../../crds/crd.ts';
import { refusals } from '../../crds/refused-objects.ts';
import { serviceRefusals } from '../../crds/refused-services.ts';
import { sample, samples, type SampleName } from '../../crds/sample-objects.ts';
import { createValidator } from '../../crds/validation.ts';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { ensureBinaries, printProgress } from '../cluster/binaries.ts';
import { until } from '../support/program.ts';

const run = promisify(execFile);
const GROUP = '/apis/imageplane.dev/v1alpha1';
const APPLY = 'application/apply-patch+yaml';
const NAMESPACE = 'tenant-demo';

interface Answer {
  status: number;
  body: Record<string, unknown>;
}
type Manifest = Record<string, unknown> & { kind: string; metadata: { name?: string; namespace?: string } };

let server: ApiServer;

async function call(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer> {
  const answer = await server.api.call(method, path, body, contentType);
  return { status: answer.status, body: answer.body as Record<string, unknown> };
}

const PLURALS: Record<string, string> = {
  Tenant: 'tenants',
  ImageService: 'imageservices',
  ImageModel: 'imagemodels',
  ClusterImageModel: 'clusterimagemodels',
};

function collectionOf({ kind }: Manifest): string {
  const namespaced = kind === 'ImageService' || kind === 'ImageModel';
  return `${GROUP}${namespaced ? `/namespaces/${NAMESPACE}` : ''}/${PLURALS[kind] ?? kind}`;
}

const create = (object: unknown, dryRun = false): Promise<Answer> =>
  call(
    'POST',
    `${collectionOf(object as Manifest)}?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`,
    object,
  );

async function apply(path: string, manager: string, object: unknown, force = false): Promise<Answer> {
  return call(
    'PATCH',
    `${path}?fieldManager=${manager}&fieldValidation=Strict&force=${force}`,
    object,
    APPLY,
  );
}

before(async () => {
  const from = performance.now();
  server = await startApiServer();
  console.log(`etcd and kube-apiserver ready after ${((performance.now() - from) / 1000).toFixed(1)} s`);
  for (const name of (await readdir('crds')).filter((file) => file.endsWith('.yaml'))) {
    const crd = parse(await readFile(join('crds', name), 'utf8')) as Manifest;
    const created = await call(
      'POST',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict',
      crd,
    );
    assert.equal(created.status, 201, `${name}: ${String(created.body['message'])}`);
  }
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  assert.equal((await call('POST', '/api/v1/namespaces', namespace)).status, 201);
  await until('all four kinds are served', async () =>
    (await Promise.all(Object.values(PLURALS).map((plural) => call('GET', `${GROUP}/${plural}`)))).every(
      ({ status }) => status === 200,
    ),
  );
});

after(async () => {
  await server.stop();
});

describe('on a real API server the CRDs', () => {
  it('are established, with structural schemas and accepted names', async () => {
    const { body } = await call('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
    const items = body['items'] as {
      metadata: { name: string };
      status: { conditions: { type: string; status: string }[] };
    }[];
    assert.equal(items.length, 4);
    for (const { metadata, status } of items) {
      const conditions = Object.fromEntries(status.conditions.map((one) => [one.type, one.status]));
      assert.deepEqual(conditions, { NamesAccepted: 'True', Established: 'True' }, metadata.name);
    }
  });

  it('accept the examples and the catalogue as they stand', async () => {
    for (const folder of ['examples', 'models'])
      for (const name of (await readdir(folder)).filter((file) => file.endsWith('.yaml')))
        for (const document of parseAllDocuments(await readFile(join(folder, name), 'utf8'))) {
          const { status, body } = await create(document.toJS(), true);
          assert.equal(status, 201, `${name}: ${String(body['message'])}`);
        }
  });

  it('fill in the same defaults as our own validator', async () => {
    const validate = createValidator(await readCrds());
    for (const name of Object.keys(samples) as SampleName[]) {
      const ours = validate(sample(name));
      assert.ok(ours.ok);
      const { status, body } = await create(sample(name), true);
      assert.equal(status, 201, String(body['message']));
      assert.deepEqual(body['spec'], (ours.object as unknown as Manifest)['spec'], name);
    }
  });

  // A request's URL says the version and the namespace, whatever stands in the object.
  const seen = [...refusals, ...serviceRefusals].filter(
    ({ field, changes }) => field !== 'metadata.namespace' && changes['apiVersion'] === undefined,
  );
  it('refuse what is wrong, each with a message that says what to write', async () => {
    const accepted: string[] = [];
    const unclear: string[] = [];
    let ours = 0;
    for (const { mistake, sample: name, changes, field, says } of seen) {
      const object = sample(name, changes) as unknown as Manifest;
      if (typeof object.kind !== 'string' || PLURALS[object.kind] === undefined) continue;
      const { status, body } = await create(object, true);
      const message = String(body['message']);
      if (status < 400) {
        accepted.push(mistake);
        continue;
      }
      assert.ok([400, 403, 409, 422].includes(status), `${mistake}: ${status} ${message}`);
      if (says.every((words) => message.includes(words))) ours++;
      // Types, enumerations and the like are told in Kubernetes' own words, which name the field.
      else if (!message.includes(lastOf(field))) unclear.push(`${mistake}: ${message}`);
    }
    console.log(
      `${seen.length - accepted.length} of ${seen.length} refused, ${ours} of them in our own words; accepted: ${accepted.join('; ')}`,
    );
    assert.ok(seen.length - accepted.length >= 30);
    assert.ok(ours >= 30, `${ours} in our own words`);
    assert.deepEqual(accepted, []);
    assert.deepEqual(unclear, []);
  });

  it('let two managers apply parts of one Tenant, name the manager in a conflict, and yield to force', async () => {
    const path = `${GROUP}/tenants/shared`;
    const tenant = (spec: Record<string, unknown>): Record<string, unknown> => ({
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'Tenant',
      metadata: { name: 'shared' },
      spec,
    });
    const platform = { plan: 'enterprise', groups: [{ name: 'platform', role: 'tenant-admin' }] };
    assert.equal((await apply(path, 'git', tenant(platform))).status, 201);
    const second = await apply(
      path,
      'directory',
      tenant({ groups: [{ name: 'designers', role: 'editor' }] }),
    );
    assert.equal(second.status, 200, String(second.body['message']));
    const groups = (second.body['spec'] as { groups: { name: string }[] }).groups.map(({ name }) => name);
    assert.deepEqual(groups.toSorted(), ['designers', 'platform']);
    const conflict = await apply(
      path,
      'directory',
      tenant({ plan: 'free', groups: [{ name: 'designers', role: 'editor' }] }),
    );
    assert.equal(conflict.status, 409);
    assert.match(String(conflict.body['message']), /"git".*\.spec\.plan/s);
    const forced = await apply(
      path,
      'directory',
      tenant({ plan: 'free', groups: [{ name: 'designers', role: 'editor' }] }),
      true,
    );
    assert.equal((forced.body['spec'] as { plan: string }).plan, 'free');
    const status = {
      ...tenant({}),
      spec: undefined,
      status: { namespace: 'tenant-shared', observedGeneration: 1 },
    };
    const written = await apply(`${path}/status`, 'api', status);
    assert.equal((written.body['status'] as { namespace: string }).namespace, 'tenant-shared');
    assert.equal((written.body['spec'] as { plan: string }).plan, 'free');
  });

  it('keep what cannot change', async () => {
    const model = sample('model') as unknown as Manifest;
    assert.equal((await create(model)).status, 201);
    const changed = sample('model', {
      'spec.files': [
        {
          name: 'model.onnx',
          source: 'https://models.example/tiny.onnx',
          sha256: 'b'.repeat(64),
          size: 1000,
        },
      ],
    });
    const refused = await call(
      'PATCH',
      `${GROUP}/clusterimagemodels/tiny`,
      { spec: changed['spec'] },
      'application/merge-patch+json',
    );
    assert.equal(refused.status, 422);
    assert.match(String(refused.body['message']), /sha256|files/);
    const moved = await call(
      'PATCH',
      `${GROUP}/tenants/shared`,
      { spec: { namespace: 'elsewhere' } },
      'application/merge-patch+json',
    );
    assert.equal(moved.status, 422);
    assert.match(String(moved.body['message']), /namespace of a tenant cannot change/);
  });

  it('scale an ImageService by its subresource', async () => {
    assert.equal((await create(sample('onnx'))).status, 201);
    const path = `${GROUP}/namespaces/${NAMESPACE}/imageservices/cutout`;
    const scale = await call(
      'PATCH',
      `${path}/scale`,
      { spec: { replicas: 3 } },
      'application/merge-patch+json',
    );
    assert.equal(scale.status, 200, String(scale.body['message']));
    const { body } = await call('GET', path);
    assert.equal((body['spec'] as { replicas: number }).replicas, 3);
  });

  it('are explained by kubectl, field by field', async () => {
    const { kubectl } = await ensureBinaries(['kubectl'], { onProgress: printProgress });
    const home = await mkdtemp(join(tmpdir(), 'imageplane-kubectl-'));
    try {
      for (const crd of Object.values(await readCrds())) {
        const { plural } = crd.spec.names;
        const { stdout } = await run(kubectl, ['explain', plural, '--recursive'], {
          env: { ...process.env, KUBECONFIG: server.kubeconfig, HOME: home },
          maxBuffer: 16 * 1024 * 1024,
        });
        const fields = fieldsOf(schemaOf(crd));
        assert.ok(fields.length > 20);
        for (const { name, described, path } of fields) {
          assert.match(stdout, new RegExp(`^\\s*${name}\\t`, 'm'), `${plural}: ${path}`);
          assert.ok(described, `${plural}: ${path} has no description`);
        }
        console.log(`kubectl explain ${plural}: ${fields.length} fields`);
      }
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });
});

const lastOf = (field: string): string => field.split(/[.[]/).at(-1)?.replace(/\]$/, '') ?? '';

function fieldsOf(schema: Schema, path = ''): { name: string; path: string; described: boolean }[] {
  const inner = [schema.items, schema.additionalProperties].flatMap((part) =>
    part === undefined ? [] : fieldsOf(part, `${path}[]`),
  );
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = path === '' ? name : `${path}.${name}`;
    // metadata is Kubernetes' own.
    if (at === 'metadata') return [];
    return [{ name, path: at, described: field.description !== undefined }, ...fieldsOf(field, at)];
  });
  return [...own, ...inner];
}
