import { type Child, isControlledBy } from '../children/child.ts';
import type { OperatorConfig } from '../config.ts';
import type {
  ConfigMap,
  Deployment,
  ImageService,
  KindName,
  Namespace,
  Pod,
  ResourceQuota,
  Tenant,
} from '../kinds.ts';
import { OWNER } from '../runtime/store.ts';
import type { Stores } from '../stores.ts';
import type { SharedSecret } from './copies.ts';
import { namespaceOf, QUOTA } from './names.ts';

/** Everything that is known about a tenant when it is reconciled. */
export interface GatheredTenant {
  tenant: Tenant;
  namespace: Namespace | undefined;
  /** Another Tenant that wants the same namespace and has it, or was there first. */
  rival: Tenant | undefined;
  shared: SharedSecret[];
  assertionKeys: ConfigMap | undefined;
  quota: ResourceQuota | undefined;
  services: ImageService[];
  deployments: Deployment[];
  pods: Pod[];
  /** Children that this tenant controls, the namespace not among them. */
  owned: Child[];
}

const childKinds = [
  'resourceQuotas',
  'limitRanges',
  'roleBindings',
  'secrets',
  'configMaps',
  'networkPolicies',
] as const satisfies KindName[];

export function gatherTenant(tenant: Tenant, stores: Stores, config: OperatorConfig): GatheredTenant {
  const name = namespaceOf(tenant);
  const uid = tenant.metadata.uid ?? '';
  const { systemNamespace, assertionJwks } = config;
  return {
    tenant,
    namespace: stores.namespaces.get({ name }),
    rival: rivalOf(tenant, stores.tenants.list()),
    shared: config.sharedSecrets.map((secret) => ({
      ...secret,
      source: stores.systemSecrets.get({ namespace: systemNamespace, name: secret.name }),
    })),
    assertionKeys: stores.systemConfigMaps.get({
      namespace: systemNamespace,
      name: assertionJwks.configMap,
    }),
    quota: stores.resourceQuotas.get({ namespace: name, name: QUOTA }),
    services: stores.imageServices.list(name),
    deployments: stores.deployments.list(name),
    pods: stores.pods.list(name),
    owned: childKinds.flatMap((kind) =>
      stores[kind]
        .byIndex(OWNER, uid)
        .filter((object) => object.metadata.namespace === name && isControlledBy(object, tenant))
        .map((object) => ({ kind, object })),
    ),
  };
}

/** Of several Tenants with one namespace, the oldest keeps it. */
function rivalOf(tenant: Tenant, tenants: readonly Tenant[]): Tenant | undefined {
  const name = namespaceOf(tenant);
  return tenants
    .filter((other) => other.metadata.uid !== tenant.metadata.uid && namespaceOf(other) === name)
    .sort(byAge)
    .find((other) => byAge(other, tenant) < 0);
}

function byAge({ metadata: a }: Tenant, { metadata: b }: Tenant): number {
  const [first, second] = [a, b].map(({ creationTimestamp = '', name }) => `${creationTimestamp} ${name}`);
  return (first ?? '') < (second ?? '') ? -1 : 1;
}
