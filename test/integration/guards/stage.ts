import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { childName } from '../../../contracts/workload.ts';
import type { Child } from '../../../operator/children/child.ts';
import { serviceChildren } from '../../../operator/image-service/children.ts';
import { serviceLabels } from '../../../operator/image-service/names.ts';
import type { ImageService, KindName, Tenant } from '../../../operator/kinds.ts';
import type { KubernetesObject } from '../../../operator/runtime/types.ts';
import { tenantChildren } from '../../../operator/tenant/children.ts';
import { namespaceOf } from '../../../operator/tenant/names.ts';
import { namespaceChild } from '../../../operator/tenant/namespace.ts';
import type { ApiRequest, ApiServer } from '../../apiserver/apiserver.ts';
import { apiServerForTests } from '../../apiserver/for-tests.ts';
import { installCrds, messageOfAnswer } from '../../apiserver/install-crds.ts';
import { applyAt, installGuards, pathIn } from '../../support/guards.ts';
import { configOf, modelOf } from '../../support/operator-objects.ts';
import { until } from '../../support/program.ts';
import { restrictedPod, type Scene } from './attacks.ts';

/** Who attacks. The stronger ones are what somebody by mistake may have been given. */
export const people = {
  developer: 'developer of the tenant',
  admin: 'ClusterRole admin in the namespace',
  owner: 'every right in the namespace',
} as const;
export type Person = keyof typeof people;

/** Two tenants as the operator makes them, the guards, and who attacks. */
export interface Stage {
  server: ApiServer;
  /** Part of every name that is made. */
  suffix: string;
  scene: Scene;
  /** A namespace that the tenant has adopted and that no object of ours owns. */
  adopted: string;
  requests: Record<Person, ApiRequest>;
  close: () => Promise<void>;
}

interface Hands {
  server: ApiServer;
  put: (
    kind: KindName,
    namespace: string | undefined,
    object: KubernetesObject & Record<string, unknown>,
  ) => Promise<KubernetesObject>;
}

const config = configOf();

export async function openStage(): Promise<Stage> {
  const server = await apiServerForTests();
  const suffix = randomBytes(3).toString('hex');
  const adopted = `adopted-${suffix}`;
  const made: { kind: KindName; namespace?: string; name: string }[] = [];
  const put: Hands['put'] = async (kind, namespace, object) => {
    const { name } = object.metadata;
    made.push({ kind, name, ...(namespace === undefined ? {} : { namespace }) });
    const { body } = await applyAt(server.request, pathIn(kind, namespace, name), object);
    return body as unknown as KubernetesObject;
  };
  await installCrds(server.request);
  const removeRoutes = await installRoutes(server);
  const hands = { server, put };
  const demo = await makeTenant(hands, `demo-${suffix}`, 'cutout');
  const other = await makeTenant(hands, `other-${suffix}`, 'portrait');
  const requests = await makePeople(hands, demo.tenant);
  const labels = {
    'imageplane.dev/tenant': `demo-${suffix}`,
    'pod-security.kubernetes.io/enforce': 'restricted',
  };
  await put('namespaces', undefined, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: adopted, labels },
  });
  const removeGuards = await installGuards(server.request);
  return {
    server,
    suffix,
    adopted,
    requests,
    scene: {
      namespace: demo.namespace,
      service: 'cutout',
      child: childName('cutout'),
      pod: demo.pod,
      secret: 'registry',
      other: { namespace: other.namespace, service: 'portrait', model: 'own' },
    },
    async close() {
      await removeGuards();
      await removeRoutes();
      if (server.startMs === undefined)
        for (const { kind, namespace, name } of made.toReversed())
          await server.request('DELETE', pathIn(kind, namespace, name));
      await server.stop();
    },
  };
}

/** The Gateway API's routes, in a form that takes everything, where the cluster does not have them. */
async function installRoutes({ request }: ApiServer): Promise<() => Promise<void>> {
  const group = 'gateway.networking.k8s.io';
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/httproutes.${group}`;
  if ((await request('GET', path)).status === 200) return async () => {};
  await applyAt(request, path, {
    ...named('apiextensions.k8s.io/v1', 'CustomResourceDefinition', `httproutes.${group}`),
    metadata: {
      name: `httproutes.${group}`,
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api' },
    },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind: 'HTTPRoute', plural: 'httproutes', singular: 'httproute', listKind: 'HTTPRouteList' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  const routes = `/apis/${group}/v1/namespaces/default/httproutes`;
  await until('HTTPRoutes are served', async () => (await request('GET', routes)).status === 200);
  return async () => {
    await request('DELETE', path);
  };
}

/** A tenant as the operator makes it, with one service and a pod of it as the cluster's controllers would. */
async function makeTenant(
  { server, put }: Hands,
  name: string,
  service: string,
): Promise<{ tenant: Tenant; namespace: string; pod: string }> {
  const { request } = server;
  const putChild = async ({ kind, object }: Child): Promise<void> => {
    await put(kind, object.metadata.namespace, { ...object });
  };
  const tenant = (await put('tenants', undefined, {
    apiVersion: 'imageplane.dev/v1alpha1',
    kind: 'Tenant',
    metadata: { name },
    spec: {
      groups: [{ name: `${name}-developers`, role: 'developer' }],
      quota: { requests: { 'nvidia.com/gpu': 1 }, services: 5 },
    },
  })) as Tenant;
  const namespace = namespaceOf(tenant);
  await putChild(namespaceChild(tenant, 'none'));
  const keys = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { 'jwks.json': '{}' } };
  const gathered = { tenant, shared: [], assertionKeys: keys };
  for (const child of tenantChildren(gathered as never, config)) await putChild(child);
  await put('secrets', namespace, { ...named('v1', 'Secret', 'registry'), stringData: { token: 'x' } });
  const object = (await put('imageServices', namespace, {
    ...named('imageplane.dev/v1alpha1', 'ImageService', service),
    spec: { engine: 'onnx', modelRef: { name: 'tiny' } },
  })) as ImageService;
  for (const child of serviceChildren({ service: object, tenant, model: modelOf(), config }))
    await putChild(child);
  const pod = `${childName(service)}-abc`;
  const answer = await request('POST', pathIn('pods', namespace), {
    metadata: { name: pod, labels: serviceLabels(object, tenant) },
    spec: restrictedPod(),
  });
  assert.equal(answer.status, 201, messageOfAnswer(answer));
  return { tenant, namespace, pod };
}

export function named(apiVersion: string, kind: string, name: string): KubernetesObject {
  return { apiVersion, kind, metadata: { name } };
}

async function makePeople({ server, put }: Hands, tenant: Tenant): Promise<Record<Person, ApiRequest>> {
  const developer = await server.addUser(`dev-${tenant.metadata.name}`, [
    `${tenant.metadata.name}-developers`,
  ]);
  const requests = { developer: developer.request } as Record<Person, ApiRequest>;
  // ClusterRole admin is put together from these by a controller, which the test's API server does not have.
  const admin = ['admin', 'edit', 'view'].map((part) => `system:aggregate-to-${part}`);
  for (const [person, roles] of [
    ['admin', admin],
    ['owner', ['cluster-admin']],
  ] as const) {
    const user = `${person}-${tenant.metadata.name}`;
    requests[person] = (await server.addUser(user, [`${tenant.metadata.name}-developers`])).request;
    for (const role of roles)
      await put('roleBindings', namespaceOf(tenant), {
        ...named('rbac.authorization.k8s.io/v1', 'RoleBinding', `${user}-${role.replaceAll(':', '-')}`),
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      });
  }
  return requests;
}
