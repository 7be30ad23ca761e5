/** Names and labels that operator, API, gateway chart and guards share on Kubernetes. */

export const API_GROUP = 'imageplane.dev';

export const labels = {
  /** On a tenant's namespace and on everything in it that is ours. */
  tenant: `${API_GROUP}/tenant`,
  service: `${API_GROUP}/service`,
  /** On namespaces: `dmz` marks the one whose gateway and dispatcher may reach pods of services. */
  zone: `${API_GROUP}/zone`,
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const MANAGED_BY = 'imageplane';
export const FINALIZER = `${API_GROUP}/cleanup`;

/** Ports of a service's pods. */
export const SERVICE_PORT = 7860;
export const METRICS_PORT = 9090;

/** Names of the pods in the DMZ that may reach SERVICE_PORT. */
export const DMZ_CALLERS = ['dispatcher', 'gateway'] as const;

const PREFIX = 'imageplane-svc-';

/** Name of every child of an ImageService, its ServiceAccount among them. At most 60 characters. */
export function childName(service: string): string {
  return `${PREFIX}${service}`;
}

/** The ImageService that a ServiceAccount serves; undefined for one that is not ours. */
export function serviceOfServiceAccount(name: string): string | undefined {
  return name.startsWith(PREFIX) && name.length > PREFIX.length ? name.slice(PREFIX.length) : undefined;
}
