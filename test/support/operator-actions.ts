/** What people do with kubectl, for tests of the operator. */
import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import type { KindName } from '../../operator/kinds.ts';
import type { Loose, OperatorWorld } from './operator-world.ts';
import { until } from './program.ts';

export const IMAGEPLANE = 'imageplane.dev/v1alpha1';
export const onnx = { engine: 'onnx', modelRef: { name: 'isnet-general-fp16' } };
export const container = { engine: 'container', container: { image: 'registry.example/team/page:1' } };

const kindOf: Record<string, KindName> = {
  Tenant: 'tenants',
  ImageService: 'imageServices',
  ImageModel: 'imageModels',
  ClusterImageModel: 'clusterImageModels',
};

/** As `kubectl apply -f`; what needs a namespace waits until there is one. Path from the repository's root. */
export async function applyFile(world: OperatorWorld, path: string): Promise<void> {
  const text = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as Loose;
    const { namespace } = object.metadata;
    if (namespace !== undefined)
      await until(
        `the namespace ${namespace}`,
        async () => (await world.get('namespaces', undefined, namespace)) !== undefined,
      );
    await world.apply(kindOf[object.kind] ?? 'tenants', object);
  }
}

/** Applies a Tenant and waits until it is Ready; answers its namespace. */
export async function makeTenant(
  world: OperatorWorld,
  name: string,
  spec: Record<string, unknown> = {},
): Promise<string> {
  await world.apply('tenants', { apiVersion: IMAGEPLANE, kind: 'Tenant', metadata: { name }, spec });
  await world.reason('tenants', undefined, name, 'Provisioned');
  return `tenant-${name}`;
}

export async function makeService(
  world: OperatorWorld,
  namespace: string,
  name: string,
  spec: Record<string, unknown>,
): Promise<void> {
  const metadata = { name, namespace };
  await world.apply('imageServices', { apiVersion: IMAGEPLANE, kind: 'ImageService', metadata, spec });
}

export async function makeSharedSecret(world: OperatorWorld, name: string, token: string): Promise<void> {
  await world.apply('secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: world.config.systemNamespace },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { token } })).toString('base64') },
  });
}

/** Versions of everything of a tenant and of what has no namespace, as `kind/name`. */
export async function versionsOf(world: OperatorWorld, namespace: string): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  const add = (kind: KindName, objects: Loose[]): void => {
    for (const { metadata } of objects) versions[`${kind}/${metadata.name}`] = metadata.resourceVersion ?? '';
  };
  for (const kind of namespaced) add(kind, await world.list(kind, namespace));
  for (const kind of ['tenants', 'clusterImageModels', 'namespaces'] as const)
    add(kind, await world.list(kind));
  return versions;
}

const namespaced: KindName[] = [
  'imageServices',
  'imageModels',
  'configMaps',
  'secrets',
  'serviceAccounts',
  'resourceQuotas',
  'limitRanges',
  'services',
  'deployments',
  'networkPolicies',
  'roleBindings',
  'podDisruptionBudgets',
];
