import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLogger } from '../../foundation/logger.ts';
import { loadAccess } from '../../operator/runtime/access.ts';
import { carries } from '../../operator/runtime/applied.ts';
import { createApplier } from '../../operator/runtime/apply.ts';
import { createClient } from '../../operator/runtime/client.ts';
import { createInformer, type Informer } from '../../operator/runtime/informer.ts';
import { apiVersionOf, pathOf, resources } from '../../operator/runtime/resources.ts';
import { createTransport, type Transport } from '../../operator/runtime/transport.ts';
import type { Client, KubernetesObject, Resource } from '../../operator/runtime/types.ts';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { children } from '../support/children.ts';
import { until } from '../support/program.ts';

const NAMESPACE = 'operator-apply';
const never = new AbortController().signal;
const logger = createLogger('test', 'silent');

let server: ApiServer;
let transport: Transport;
let client: Client;
before(async () => {
  server = await startApiServer();
  transport = createTransport(loadAccess(server.kubeconfig), { program: 'test' });
  client = createClient(transport);
  await client.create(resources.Namespace, {
    ...{ apiVersion: apiVersionOf(resources.Namespace), kind: 'Namespace' },
    metadata: { name: NAMESPACE },
  });
});
after(async () => {
  await transport.close();
  await server.stop();
});

describe('what a controller applies', () => {
  const informers: Informer[] = [];
  after(() => Promise.all(informers.map((informer) => informer.stop())));

  async function informerFor(resource: Resource): Promise<Informer> {
    const informer = createInformer(
      { resource, ...(resource.namespaced ? { scopes: [{ namespace: NAMESPACE }] } : {}) },
      { transport, logger },
    );
    informers.push(informer);
    informer.start();
    await informer.whenSynced(AbortSignal.timeout(20_000));
    return informer;
  }

  for (const wanted of children(NAMESPACE, 'child')) {
    const { kind, metadata } = wanted;
    const resource: Resource = resources[kind as keyof typeof resources];
    const key = resource.namespaced ? { namespace: NAMESPACE, name: metadata.name } : { name: metadata.name };
    const outcomes: string[] = [];
    const applier = (): ReturnType<typeof createApplier> =>
      createApplier({
        ...{ client, fieldManager: 'test', annotation: 'test.imageplane.dev/applied' },
        metrics: { applied: (_kind, outcome) => outcomes.push(outcome) },
      });

    it(`is not written again, by a process that has just started either: ${kind}`, async () => {
      const informer = await informerFor(resource);
      await applier().apply(informer, wanted, never);
      const { resourceVersion } = (await client.get(resource, key))?.metadata ?? {};
      await until(
        'the watch has come that far',
        () => informer.get(key)?.metadata.resourceVersion === resourceVersion,
      );
      await applier().apply(informer, wanted, never);
      assert.deepEqual(outcomes, ['changed', 'skipped'], 'the comparison knows what the server makes of it');
    });

    it(`is never taken for carried when an apply would change it: ${kind}`, async () => {
      const live = await client.get(resource, key);
      assert.ok(live !== undefined);
      let drifted = 0;
      for (const edited of edits(live)) {
        const served = await put(resource, edited);
        // Not every edit makes an object that the server takes.
        if (served === undefined) continue;
        const repaired = await dryRun(resource, wanted, live.metadata.annotations);
        if (repaired === undefined || stripped(repaired) !== stripped(served)) {
          drifted += 1;
          assert.equal(carries(served, wanted), false, stripped(served));
        }
        assert.notEqual(await put(resource, live), undefined);
      }
      assert.ok(drifted > 0, 'some edits were drift');
    });
  }
});

/** Replaces the object, whatever its version is now; undefined when the server does not take it. */
async function put(resource: Resource, object: KubernetesObject): Promise<KubernetesObject | undefined> {
  const path = pathOf(resource, { namespace: NAMESPACE, name: object.metadata.name });
  const current = (await server.request('GET', path)).body as unknown as KubernetesObject;
  const metadata = { ...object.metadata, resourceVersion: current.metadata.resourceVersion };
  const { status, body } = await server.request('PUT', `${path}?fieldManager=somebody`, {
    ...object,
    metadata,
  });
  return status === 200 ? (body as unknown as KubernetesObject) : undefined;
}

/** What an apply would make of it; undefined when it would be refused. */
async function dryRun(
  resource: Resource,
  wanted: KubernetesObject,
  annotations: Record<string, string> | undefined,
): Promise<KubernetesObject | undefined> {
  const path = pathOf(resource, { namespace: NAMESPACE, name: wanted.metadata.name });
  const { status, body } = await server.request(
    'PATCH',
    `${path}?fieldManager=test&force=true&dryRun=All`,
    { ...wanted, metadata: { ...wanted.metadata, annotations } },
    { 'content-type': 'application/apply-patch+yaml' },
  );
  return status === 200 ? (body as unknown as KubernetesObject) : undefined;
}

/** The object with each of its values changed, removed or added to, one at a time. */
function* edits(live: KubernetesObject): Generator<KubernetesObject> {
  const { metadata, ...rest } = structuredClone(live) as KubernetesObject & {
    status?: unknown;
  };
  delete rest.status;
  const base = { ...rest, metadata: { labels: metadata.labels, ownerReferences: metadata.ownerReferences } };
  const identity = new Set(['apiVersion', 'kind', 'metadata']);
  const paths: (string | number)[][] = [];
  const visit = (node: unknown, path: (string | number)[]): void => {
    if (path.length > 1 || !identity.has(String(path[0] ?? 'kind'))) paths.push(path);
    if (typeof node === 'object' && node !== null)
      for (const [key, value] of Object.entries(node)) visit(value, [...path, key]);
  };
  visit(base, []);
  for (const path of paths)
    for (const change of ['remove', 'replace', 'add'] as const) {
      const copy = structuredClone(live);
      if (edit(copy, path, change)) yield copy;
    }
}

type Node = Record<string | number, unknown>;

function edit(
  root: unknown,
  path: readonly (string | number)[],
  change: 'remove' | 'replace' | 'add',
): boolean {
  const last = path.at(-1) ?? '';
  const parent = path.slice(0, -1).reduce((node, part) => node[part] as Node, root as Node);
  const value = parent[last];
  if (change === 'remove') {
    if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else Reflect.deleteProperty(parent, last);
    return true;
  }
  if (change === 'add') {
    if (Array.isArray(value) && value.length > 0) value.push(value[0]);
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      Object.assign(value, { added: 'by-hand' });
    else return false;
    return true;
  }
  if (typeof value === 'string') parent[last] = /^\d/.test(value) ? '7' : 'other';
  else if (typeof value === 'number') parent[last] = value + 1;
  else if (typeof value === 'boolean') parent[last] = !value;
  else return false;
  return true;
}

/** Without what the server counts. */
function stripped(body: unknown): string {
  const { metadata, ...rest } = structuredClone(body) as KubernetesObject & { status?: unknown };
  delete rest.status;
  const { labels, ownerReferences } = metadata;
  return JSON.stringify({ ...rest, labels, ownerReferences });
}
