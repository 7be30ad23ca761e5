import type { ObjectKey, Resource } from './types.ts';

function resource(group: string, kind: string, plural: string, scope: 'namespaced' | 'cluster'): Resource {
  const version = group === 'imageplane.dev' ? 'v1alpha1' : 'v1';
  return { group, version, kind, plural, namespaced: scope === 'namespaced' };
}

/** The kinds that the operator and the API read or write. */
export const resources = {
  ConfigMap: resource('', 'ConfigMap', 'configmaps', 'namespaced'),
  LimitRange: resource('', 'LimitRange', 'limitranges', 'namespaced'),
  Namespace: resource('', 'Namespace', 'namespaces', 'cluster'),
  Node: resource('', 'Node', 'nodes', 'cluster'),
  PersistentVolumeClaim: resource('', 'PersistentVolumeClaim', 'persistentvolumeclaims', 'namespaced'),
  Pod: resource('', 'Pod', 'pods', 'namespaced'),
  ResourceQuota: resource('', 'ResourceQuota', 'resourcequotas', 'namespaced'),
  Secret: resource('', 'Secret', 'secrets', 'namespaced'),
  Service: resource('', 'Service', 'services', 'namespaced'),
  ServiceAccount: resource('', 'ServiceAccount', 'serviceaccounts', 'namespaced'),
  Deployment: resource('apps', 'Deployment', 'deployments', 'namespaced'),
  ReplicaSet: resource('apps', 'ReplicaSet', 'replicasets', 'namespaced'),
  NetworkPolicy: resource('networking.k8s.io', 'NetworkPolicy', 'networkpolicies', 'namespaced'),
  PodDisruptionBudget: resource('policy', 'PodDisruptionBudget', 'poddisruptionbudgets', 'namespaced'),
  ClusterRole: resource('rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles', 'cluster'),
  ClusterRoleBinding: resource(
    'rbac.authorization.k8s.io',
    'ClusterRoleBinding',
    'clusterrolebindings',
    'cluster',
  ),
  Role: resource('rbac.authorization.k8s.io', 'Role', 'roles', 'namespaced'),
  RoleBinding: resource('rbac.authorization.k8s.io', 'RoleBinding', 'rolebindings', 'namespaced'),
  Lease: resource('coordination.k8s.io', 'Lease', 'leases', 'namespaced'),
  Event: resource('events.k8s.io', 'Event', 'events', 'namespaced'),
  EndpointSlice: resource('discovery.k8s.io', 'EndpointSlice', 'endpointslices', 'namespaced'),
  TokenReview: resource('authentication.k8s.io', 'TokenReview', 'tokenreviews', 'cluster'),
  Tenant: resource('imageplane.dev', 'Tenant', 'tenants', 'cluster'),
  ImageService: resource('imageplane.dev', 'ImageService', 'imageservices', 'namespaced'),
  ImageModel: resource('imageplane.dev', 'ImageModel', 'imagemodels', 'namespaced'),
  ClusterImageModel: resource('imageplane.dev', 'ClusterImageModel', 'clusterimagemodels', 'cluster'),
} as const satisfies Record<string, Resource>;

/** `v1` for the core group, else `group/v1`. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}

/**
 * Path of one object, or of the collection when no name is given; all namespaces when a namespaced collection is asked
 * for without one.
 * @throws RangeError for an object of a namespaced kind without namespace, or a name that is no path segment.
 */
export function pathOf(kind: Resource, key: Partial<ObjectKey> = {}, subresource?: string): string {
  const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const parts = [base];
  if (kind.namespaced && key.namespace !== undefined) parts.push('namespaces', segment(key.namespace));
  else if (kind.namespaced && key.name !== undefined)
    throw new RangeError(`A ${kind.kind} has a namespace, and none was given for ${key.name}`);
  parts.push(kind.plural);
  if (key.name !== undefined) parts.push(segment(key.name));
  if (subresource !== undefined) parts.push(segment(subresource));
  return parts.join('/');
}

function segment(value: string): string {
  if (value === '' || value === '.' || value === '..')
    throw new RangeError(`${JSON.stringify(value)} cannot be a name`);
  return encodeURIComponent(value);
}

/** `namespace/name`, or `name` alone: how queues and stores name an object. */
export function keyText({ namespace, name }: ObjectKey): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

export function keyFrom(text: string): ObjectKey {
  const slash = text.indexOf('/');
  return slash < 0 ? { name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}
