/** The few calls that bringing a cluster up needs, over HTTPS with its administrator's certificate. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from './manifests.ts';

export interface Api {
  /** Status and parsed body (text where it is not JSON). */
  call(
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<{ status: number; body: unknown }>;
  apply(manifest: Manifest): Promise<void>;
  close(): void;
}

const PLURALS: Readonly<Record<string, string>> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ConfigMap: 'configmaps',
  Deployment: 'deployments',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
};

/** Path of an object of one of the kinds above. */
export function objectPath(manifest: Manifest): string {
  const plural = PLURALS[manifest.kind];
  if (plural === undefined) throw new Error(`No path is known for the kind ${manifest.kind}`);
  const group = manifest.apiVersion.includes('/')
    ? `/apis/${manifest.apiVersion}`
    : `/api/${manifest.apiVersion}`;
  const { name, namespace } = manifest.metadata;
  return `${group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}/${name}`;
}

export async function openApi(server: string, pki: string): Promise<Api> {
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'admin.crt', 'admin.key'].map((name) => readFile(join(pki, name))),
  );
  const agent = new Agent({ keepAlive: true, ca, cert, key });

  const call: Api['call'] = async (method, path, body, contentType = 'application/json') => {
    const headers = body === undefined ? {} : { 'content-type': contentType };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(path, server),
        { method, agent, headers, timeout: 15_000 },
        (incoming) => {
          let text = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => (text += chunk));
          incoming.on('error', reject);
          incoming.on('end', () => {
            const json = incoming.headers['content-type']?.startsWith('application/json') === true;
            resolve({ status: incoming.statusCode ?? 0, body: json ? (JSON.parse(text) as unknown) : text });
          });
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} was not answered in 15 s`)));
      outgoing.on('error', reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  };

  return {
    call,
    async apply(manifest) {
      const path = `${objectPath(manifest)}?fieldManager=imageplane-cluster&force=true`;
      const { status, body } = await call('PATCH', path, manifest, 'application/apply-patch+yaml');
      if (status >= 300)
        throw new Error(`${manifest.kind} ${manifest.metadata.name} was refused: ${JSON.stringify(body)}`);
    },
    close() {
      agent.destroy();
    },
  };
}

/**
 * Asks again until `probe` gives something. A probe that throws counts as «not yet»; `check` may throw
 * to end the wait early.
 */
export async function waitFor<T>(
  what: string,
  limitMs: number,
  probe: () => Promise<T | undefined>,
  check: () => Promise<void>,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    await check();
    await sleep(150);
  }
  const reason = last instanceof Error ? `: ${last.message}` : '';
  throw new Error(`${what} did not happen within ${limitMs / 1000} s${reason}`);
}
