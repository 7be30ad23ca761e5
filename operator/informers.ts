import { labels, MANAGED_BY } from '../contracts/workload.ts';
import type { OperatorConfig } from './config.ts';
import { modelKeysOf } from './image-model/gather.ts';
import { kinds } from './kinds.ts';
import type { Manager } from './runtime/manager.ts';
import type { Informer } from './runtime/informer.ts';
import type { KubernetesObject, Resource } from './runtime/types.ts';
import { BY_MODEL, BY_SERVICE, type Held, type Informers } from './stores.ts';

/** What the operator keeps of the cluster: what is its own, and of Secrets only what it copies and its copies. */
export function openInformers(manager: Pick<Manager, 'informer'>, config: OperatorConfig): Informers {
  const all = <T extends KubernetesObject>(resource: Resource): Informer<T> =>
    manager.informer<T>({ resource });
  const children = <T extends KubernetesObject>(resource: Resource): Informer<T> =>
    manager.informer<T>({ resource, scopes: [{ labelSelector: `${labels.managedBy}=${MANAGED_BY}` }] });
  const pods = <T extends KubernetesObject>(resource: Resource): Informer<T> =>
    manager.informer<T>({
      resource,
      scopes: [{ labelSelector: labels.service }],
      indexes: { [BY_SERVICE]: serviceOf },
      transform: withoutSpec,
    });
  /** Of those that are not copied, nothing but the name is kept. */
  const system = <T extends KubernetesObject>(resource: Resource, copied: ReadonlySet<string>): Informer<T> =>
    manager.informer<T>({
      resource,
      scopes: [{ namespace: config.systemNamespace }],
      transform: (object) =>
        copied.has(object.metadata.name) ? object : without(object, 'data', 'stringData', 'binaryData'),
    });
  return {
    tenants: all<Held['tenants']>(kinds.tenants),
    imageServices: manager.informer<Held['imageServices']>({
      resource: kinds.imageServices,
      indexes: { [BY_MODEL]: modelKeysOf },
    }),
    imageModels: all<Held['imageModels']>(kinds.imageModels),
    clusterImageModels: all<Held['clusterImageModels']>(kinds.clusterImageModels),
    namespaces: all<Held['namespaces']>(kinds.namespaces),
    configMaps: children<Held['configMaps']>(kinds.configMaps),
    secrets: children<Held['secrets']>(kinds.secrets),
    serviceAccounts: children<Held['serviceAccounts']>(kinds.serviceAccounts),
    resourceQuotas: children<Held['resourceQuotas']>(kinds.resourceQuotas),
    limitRanges: children<Held['limitRanges']>(kinds.limitRanges),
    services: children<Held['services']>(kinds.services),
    deployments: children<Held['deployments']>(kinds.deployments),
    networkPolicies: children<Held['networkPolicies']>(kinds.networkPolicies),
    roleBindings: children<Held['roleBindings']>(kinds.roleBindings),
    podDisruptionBudgets: children<Held['podDisruptionBudgets']>(kinds.podDisruptionBudgets),
    pods: pods<Held['pods']>(kinds.pods),
    replicaSets: pods<Held['replicaSets']>(kinds.replicaSets),
    systemSecrets: system<Held['systemSecrets']>(
      kinds.secrets,
      new Set(config.sharedSecrets.map(({ name }) => name)),
    ),
    systemConfigMaps: system<Held['systemConfigMaps']>(
      kinds.configMaps,
      new Set([config.assertionJwks.configMap]),
    ),
  };
}

function serviceOf({ metadata }: KubernetesObject): string[] {
  const name = metadata.labels?.[labels.service];
  return name === undefined ? [] : [`${metadata.namespace ?? ''}/${name}`];
}

/** Of pods and ReplicaSets only what they are and how they fare is looked at. */
function withoutSpec<T extends KubernetesObject>(object: T): T {
  return without(object, 'spec');
}

function without<T extends KubernetesObject>(object: T, ...fields: string[]): T {
  const kept = { ...object };
  for (const field of fields) Reflect.deleteProperty(kept, field);
  return kept;
}
