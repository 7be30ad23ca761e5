import { randomBytes } from 'node:crypto';
import type { Crds, JsonObject, Kind } from '../../crds/crd.ts';
import { readCrds } from '../../crds/crd.ts';
import { sample, type SampleName, samples } from '../../crds/sample-objects.ts';
import type { ApiServer } from './apiserver.ts';
import type { Answer } from './client.ts';
import { apiServerForTests } from './for-tests.ts';
import { installCrds, messageOfAnswer, pathOf, removeCrd } from './install-crds.ts';

/** An API server that serves our kinds, a namespace on it, and names that nobody else uses. */
export interface CrdWorld {
  server: ApiServer;
  crds: Crds;
  namespace: string;
  /** A name of our own; objects of that name are deleted by `close`. */
  name(): string;
  path(kind: Kind, name?: string): string;
  /** A sample, in our namespace if it has one. */
  sample(name: SampleName, changes?: Parameters<typeof sample>[1]): JsonObject;
  /** POST with strict field validation. With dryRun, nothing is stored. */
  create(kind: Kind, object: unknown, dryRun?: 'dryRun'): Promise<Answer>;
  /** Server-side apply with strict field validation. */
  apply(path: string, manager: string, object: unknown, options?: ApplyOptions): Promise<Answer>;
  /** Removes what was made, on a server that is not ours; ends one that is. */
  close(): Promise<void>;
}

export interface ApplyOptions {
  force?: boolean;
  dryRun?: boolean;
}

export function kindOf(name: SampleName): Kind {
  return samples[name].kind as Kind;
}

export async function openCrdWorld(): Promise<CrdWorld> {
  const server = await apiServerForTests();
  const { request } = server;
  const crds = await readCrds();
  const suffix = randomBytes(4).toString('hex');
  const namespace = `imageplane-test-${suffix}`;
  const names: string[] = [];
  const added = await installCrds(request);
  const made = await request('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  if (made.status !== 201)
    throw new Error(`The namespace ${namespace} was refused: ${messageOfAnswer(made)}`);
  const path = (kind: Kind, name?: string): string => pathOf(crds[kind], namespace, name);
  return {
    server,
    crds,
    namespace,
    path,
    name() {
      const name = `t${names.length}-${suffix}`;
      names.push(name);
      return name;
    },
    sample(name, changes = {}) {
      const namespaced = crds[kindOf(name)].spec.scope === 'Namespaced';
      return sample(name, namespaced ? { 'metadata.namespace': namespace, ...changes } : changes);
    },
    create: (kind, object, dryRun) =>
      request(
        'POST',
        `${path(kind)}?fieldManager=test&fieldValidation=Strict${dryRun === undefined ? '' : '&dryRun=All'}`,
        object,
      ),
    apply: (to, manager, object, { force = false, dryRun = false } = {}) =>
      request(
        'PATCH',
        `${to}?fieldManager=${manager}&fieldValidation=Strict&force=${force}${dryRun ? '&dryRun=All' : ''}`,
        object,
        { 'content-type': 'application/apply-patch+yaml' },
      ),
    async close() {
      const ours = server.startMs !== undefined;
      if (!ours) {
        for (const kind of Object.keys(crds) as Kind[])
          for (const name of names) await request('DELETE', path(kind, name));
        await request('DELETE', `/api/v1/namespaces/${namespace}`);
        for (const kind of added) await removeCrd(request, crds[kind]);
      }
      await server.stop();
    },
  };
}
