import { childName, labels } from '../../contracts/workload.ts';
import { type Child, isControlledBy } from '../children/child.ts';
import type { OperatorConfig } from '../config.ts';
import type {
  AnyModel,
  Deployment,
  ImageService,
  KindName,
  Namespace,
  Pod,
  ReplicaSet,
  Tenant,
} from '../kinds.ts';
import { OWNER } from '../runtime/store.ts';
import { BY_SERVICE, type Stores } from '../stores.ts';
import { ASSERTION_KEYS, DEFAULT_DENY, isNamespaceOf, QUOTA } from '../tenant/names.ts';

/** Everything that is known about a service when it is reconciled. */
export interface GatheredService {
  service: ImageService;
  /** The tenant whose namespace it is in. */
  tenant: Tenant | undefined;
  /** What the tenant's controller must have made before a pod may run, and has not. */
  missingWalls: string[];
  /** The model that modelRef names. */
  model: AnyModel | undefined;
  /** Names of models that modelRef could mean. */
  knownModels: string[];
  deployment: Deployment | undefined;
  replicaSets: ReplicaSet[];
  pods: Pod[];
  owned: Child[];
  config: OperatorConfig;
}

const childKinds = [
  'serviceAccounts',
  'configMaps',
  'networkPolicies',
  'services',
  'podDisruptionBudgets',
  'deployments',
] as const satisfies KindName[];

export function gatherService(
  service: ImageService,
  stores: Stores,
  config: OperatorConfig,
): GatheredService {
  const { namespace, name, uid = '' } = service.metadata;
  const byService = `${namespace}/${name}`;
  const deployment = stores.deployments.get({ namespace, name: childName(name) });
  return {
    service,
    tenant: tenantOf(stores.namespaces.get({ name: namespace }), stores),
    missingWalls: missingWalls(namespace, stores),
    ...modelsOf(service, stores),
    deployment: deployment !== undefined && isControlledBy(deployment, service) ? deployment : undefined,
    replicaSets: stores.replicaSets.byIndex(BY_SERVICE, byService),
    pods: stores.pods.byIndex(BY_SERVICE, byService),
    owned: childKinds.flatMap((kind) =>
      stores[kind]
        .byIndex(OWNER, uid)
        .filter((object) => object.metadata.namespace === namespace && isControlledBy(object, service))
        .map((object) => ({ kind, object })),
    ),
    config,
  };
}

/** Both must agree: the namespace's label, which only the platform writes, and the Tenant. */
function tenantOf(namespace: Namespace | undefined, stores: Stores): Tenant | undefined {
  const name = namespace?.metadata.labels?.[labels.tenant];
  const tenant = name === undefined ? undefined : stores.tenants.get({ name });
  return namespace !== undefined && tenant !== undefined && isNamespaceOf(namespace, tenant)
    ? tenant
    : undefined;
}

function missingWalls(namespace: string, stores: Stores): string[] {
  const walls: [KindName, string][] = [
    ['networkPolicies', DEFAULT_DENY],
    ['resourceQuotas', QUOTA],
    ['configMaps', ASSERTION_KEYS],
  ];
  return walls.flatMap(([kind, name]) => (stores[kind].get({ namespace, name }) === undefined ? [name] : []));
}

function modelsOf(
  { spec, metadata }: ImageService,
  stores: Stores,
): Pick<GatheredService, 'model' | 'knownModels'> {
  const { modelRef } = spec;
  if (modelRef === undefined) return { model: undefined, knownModels: [] };
  const { namespace } = metadata;
  const { name } = modelRef;
  if (modelRef.kind === 'ImageModel') {
    const model = stores.imageModels.get({ namespace, name });
    return { model, knownModels: model === undefined ? namesOf(stores.imageModels.list(namespace)) : [] };
  }
  const model = stores.clusterImageModels.get({ name });
  return { model, knownModels: model === undefined ? namesOf(stores.clusterImageModels.list()) : [] };
}

function namesOf(models: readonly AnyModel[]): string[] {
  return models.map(({ metadata }) => metadata.name).sort();
}
