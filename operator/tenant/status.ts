import type { TenantStatus } from '../../crds/generated.ts';
import type { ChildFailure } from '../children/apply.ts';
import { conditionsOf, failureVerdict, type Verdict } from '../conditions.ts';
import type { OperatorConfig } from '../config.ts';
import type { GatheredTenant } from './gather.ts';
import { holdingOf } from './namespace.ts';
import { isPaused, namespaceOf } from './names.ts';
import { quotaInUse } from './resource-quota.ts';
import { isSystemGroup } from './role-bindings.ts';

/** Without `usage`, which the API writes as a field manager of its own. */
export type OwnTenantStatus = Omit<TenantStatus, 'usage'>;

export function tenantStatus(gathered: GatheredTenant, verdict: Verdict, now: () => Date): OwnTenantStatus {
  const { tenant, namespace, quota, services } = gathered;
  const generation = tenant.metadata.generation ?? 0;
  const held = ['own', 'adopted', 'leaving'].includes(holdingOf(tenant, namespace));
  const used = quotaInUse(tenant, quota);
  return {
    observedGeneration: generation,
    ...(held ? { namespace: namespaceOf(tenant) } : {}),
    quota: { ...(Object.keys(used).length === 0 ? {} : { used }), services: services.length },
    conditions: conditionsOf(verdict, generation, tenant.status?.conditions, now),
  };
}

/** Why the tenant may not have its namespace; undefined when it may. */
export function namespaceProblem(gathered: GatheredTenant, config: OperatorConfig): Verdict | undefined {
  const { tenant, namespace, rival } = gathered;
  const name = namespaceOf(tenant);
  if (name === config.systemNamespace || name === config.dmzNamespace)
    return failed(
      'NamespaceReserved',
      `The namespace ${name} is Imageplane's own. Make a Tenant with another spec.namespace.`,
    );
  if (rival !== undefined)
    return failed(
      'NamespaceTaken',
      `The namespace ${name} belongs to the Tenant ${rival.metadata.name}. Make a Tenant with another spec.namespace, or delete ${rival.metadata.name}.`,
    );
  const holding = holdingOf(tenant, namespace);
  if (holding === 'refused')
    return failed(
      'NamespaceNotAdopted',
      `The namespace ${name} exists and is not this tenant's. To hand it over with what is in it, a platform administrator runs: kubectl label namespace ${name} imageplane.dev/tenant=${tenant.metadata.name}`,
    );
  if (holding === 'leaving')
    return {
      state: 'progressing',
      reason: 'NamespaceTerminating',
      message: `The namespace ${name} is being deleted and will be made anew when it is gone.`,
    };
  return undefined;
}

/** How it stands after everything was tried. */
export function tenantVerdict(
  gathered: GatheredTenant,
  failures: readonly ChildFailure[],
  config: OperatorConfig,
): Verdict {
  const { tenant, shared, assertionKeys } = gathered;
  const [failure] = failures;
  if (failure !== undefined) return failureVerdict(failure, failures.length);
  if (assertionKeys === undefined)
    return failed(
      'AssertionKeysMissing',
      `There is no ConfigMap ${config.systemNamespace}/${config.assertionJwks.configMap} with the gateway's public keys, so no service could be called. Install or repair the gateway of the chart.`,
    );
  const missing = shared.filter(({ source }) => source === undefined).map(({ name }) => name);
  if (missing.length > 0)
    return failed(
      'SecretMissing',
      `The operator's configuration shares Secrets that are not in ${config.systemNamespace}: ${missing.join(', ')}. Make them there, or take them out of the configuration.`,
    );
  if (isPaused(tenant))
    return failed(
      'Paused',
      'The tenant is paused and its services are stopped. To go on, a platform administrator removes the annotation imageplane.dev/paused.',
    );
  const ignored = (tenant.spec.groups ?? []).filter(({ name }) =>
    isSystemGroup(`${config.groupPrefix}${name}`),
  );
  return {
    state: 'ready',
    reason: 'Provisioned',
    message:
      ignored.length === 0
        ? `The namespace ${namespaceOf(tenant)} has its quota, its roles and its policies.`
        : `The namespace ${namespaceOf(tenant)} stands. Groups of the cluster itself get no role and were left out: ${ignored.map(({ name }) => name).join(', ')}.`,
  };
}

function failed(reason: string, message: string): Verdict {
  return { state: 'failed', reason, message };
}
