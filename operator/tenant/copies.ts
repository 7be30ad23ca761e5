import { type Child, childOf } from '../children/child.ts';
import type { ConfigMap, Secret, Tenant } from '../kinds.ts';
import { ASSERTION_KEYS, namespaceOf, secretCopyName, tenantLabels } from './names.ts';

const USE = 'imageplane.dev/secret-use';

/** A source of the system namespace as it is found now; `source` is absent when there is none. */
export interface SharedSecret {
  name: string;
  use: 'registry' | 'model-source';
  source: Secret | undefined;
}

/** Copies of shared Secrets. Their digest tells a rotation: a source that is written again as it was changes nothing. */
export function secretCopies(tenant: Tenant, shared: readonly SharedSecret[]): Child<Secret>[] {
  return shared.flatMap(({ name, use, source }) =>
    source === undefined
      ? []
      : [
          childOf<Secret>({ kind: 'tenants', object: tenant }, 'secrets', {
            metadata: {
              name: secretCopyName(name),
              namespace: namespaceOf(tenant),
              labels: { ...tenantLabels(tenant), [USE]: use },
            },
            type: source.type ?? 'Opaque',
            data: source.data ?? {},
          }),
        ],
  );
}

/** The public keys by which the tenant's pods know the gateway. */
export function assertionKeys(tenant: Tenant, source: ConfigMap): Child<ConfigMap> {
  return childOf<ConfigMap>({ kind: 'tenants', object: tenant }, 'configMaps', {
    metadata: { name: ASSERTION_KEYS, namespace: namespaceOf(tenant), labels: tenantLabels(tenant) },
    data: source.data ?? {},
  });
}
