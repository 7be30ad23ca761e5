import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { UsageError } from '../../foundation/errors.ts';

export interface Credentials {
  headers: Record<string, string>;
  tls: {
    ca?: string | Buffer;
    cert?: string | Buffer;
    key?: string | Buffer;
    servername?: string;
    rejectUnauthorized?: boolean;
  };
}

/** How the API server is reached, and as whom. */
export interface Access {
  server: URL;
  /** Of the kubeconfig's context, or the pod's own. */
  namespace: string | undefined;
  /** Reads files again, so that rotated tokens and certificates are taken. Not for every single request. */
  credentials: () => Promise<Credentials>;
}

/**
 * KUBECONFIG where it is set, else the pod's service account, else ~/.kube/config.
 * @throws UsageError where none of them can be used.
 */
export function loadAccess(kubeconfig = process.env['KUBECONFIG']): Access {
  const config = new KubeConfig();
  try {
    if (kubeconfig !== undefined && kubeconfig !== '') config.loadFromFile(kubeconfig);
    else if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (error) {
    throw new UsageError(`The kubeconfig cannot be read: ${String(error)}`);
  }
  return accessOf(config);
}

/** @throws UsageError where the current context names no cluster or needs a proxy, which is not supported. */
export function accessOf(config: KubeConfig): Access {
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new UsageError('The kubeconfig has no current cluster: set its current-context.');
  if (cluster.proxyUrl !== undefined)
    throw new UsageError('proxy-url of a kubeconfig is not supported: reach the API server directly.');
  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    credentials: () => credentialsOf(config),
  };
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {}))
    if (typeof value === 'string') headers[name.toLowerCase()] = value.trim();
  if (typeof options.auth === 'string')
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  const tls: Credentials['tls'] = {};
  const { ca, cert, key } = options;
  if (isPem(ca)) tls.ca = ca;
  if (isPem(cert)) tls.cert = cert;
  if (isPem(key)) tls.key = key;
  if (options.servername !== undefined) tls.servername = options.servername;
  if (options.rejectUnauthorized === false) tls.rejectUnauthorized = false;
  return { headers, tls };
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}
