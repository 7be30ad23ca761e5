/** Reading and writing of kubeconfig files: how a cluster is reached, and as whom. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { execute } from '../cluster/exec.ts';

/** Who speaks, and to whom. Certificates and keys are PEM. */
export interface ClusterAccess {
  server: string;
  ca?: string;
  /** The name that the server's certificate must have, where it is not the host of `server`. */
  serverName?: string;
  /** The server's certificate is not checked. Never so unless a kubeconfig says it. */
  insecure?: boolean;
  certificate?: string;
  key?: string;
  token?: string;
  /** Asks the API server to take the caller for somebody else, which needs the permission to impersonate. */
  impersonate?: { user: string; groups: readonly string[] };
}

const text = z.string().min(1).optional();
const execSchema = z.looseObject({
  apiVersion: z.string(),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});
const clusterSchema = z.looseObject({
  server: z.url({ protocol: /^https$/ }),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'tls-server-name': text,
  'insecure-skip-tls-verify': z.boolean().optional(),
});
const userSchema = z.looseObject({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  as: text,
  'as-groups': z.array(z.string()).optional(),
  exec: execSchema.optional(),
});
const contextSchema = z.looseObject({ cluster: z.string(), user: z.string() });
const fileSchema = z.looseObject({
  'current-context': z.string(),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })),
  users: z.array(z.object({ name: z.string(), user: userSchema })),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })),
});
const credentialSchema = z.object({
  status: z.object({ token: text, clientCertificateData: text, clientKeyData: text }),
});

/**
 * The access that the current context of a kubeconfig gives. Paths in it count from its folder; a credential plugin
 * (`exec`) is run once.
 * @throws UsageError when the file cannot be read or has something that is not supported here.
 */
export async function readKubeconfig(file: string): Promise<ClusterAccess> {
  try {
    const { cluster, user } = inContext(fileSchema.parse(parse(await readFile(file, 'utf8'))));
    const folder = dirname(file);
    return withoutUndefined({
      server: cluster.server,
      ca: await contentOf(cluster['certificate-authority-data'], cluster['certificate-authority'], folder),
      serverName: cluster['tls-server-name'],
      insecure: cluster['insecure-skip-tls-verify'],
      ...(await credentialsOf(user, folder)),
      impersonate: user.as === undefined ? undefined : { user: user.as, groups: user['as-groups'] ?? [] },
    });
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new UsageError(`The kubeconfig ${file}: ${problem}`);
  }
}

/** @throws Error saying which part is missing or not supported. */
function inContext(config: z.infer<typeof fileSchema>): {
  cluster: z.infer<typeof clusterSchema>;
  user: z.infer<typeof userSchema>;
} {
  const name = config['current-context'];
  const context = config.contexts.find((candidate) => candidate.name === name)?.context;
  if (context === undefined) throw new Error(`there is no context "${name}", which is its current-context`);
  const cluster = config.clusters.find((candidate) => candidate.name === context.cluster)?.cluster;
  if (cluster === undefined) throw new Error(`there is no cluster "${context.cluster}"`);
  const user = config.users.find((candidate) => candidate.name === context.user)?.user;
  if (user === undefined) throw new Error(`there is no user "${context.user}"`);
  // Left out, they would be ignored, and the failure be hard to understand.
  for (const [field, owner] of [
    ['proxy-url', cluster],
    ['auth-provider', user],
    ['username', user],
  ] as const)
    if (field in owner)
      throw new Error(`${field} is not supported here: use a certificate, a token or exec, without proxy`);
  return { cluster, user };
}

async function credentialsOf(
  user: z.infer<typeof userSchema>,
  folder: string,
): Promise<Optional<Pick<ClusterAccess, 'certificate' | 'key' | 'token'>>> {
  if (user.exec !== undefined) {
    const { token, clientCertificateData, clientKeyData } = await runPlugin(user.exec, folder);
    return { token, certificate: clientCertificateData, key: clientKeyData };
  }
  const token = user.token ?? (await contentOf(undefined, user.tokenFile, folder))?.trim();
  return {
    token,
    certificate: await contentOf(user['client-certificate-data'], user['client-certificate'], folder),
    key: await contentOf(user['client-key-data'], user['client-key'], folder),
  };
}

async function contentOf(
  data: string | undefined,
  path: string | undefined,
  folder: string,
): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  return path === undefined ? undefined : readFile(resolve(folder, path), 'utf8');
}

async function runPlugin(
  exec: z.infer<typeof execSchema>,
  cwd: string,
): Promise<z.infer<typeof credentialSchema>['status']> {
  const info = { apiVersion: exec.apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
  const extra = Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value]));
  const env = { ...process.env, ...extra, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  const output = await execute(exec.command, exec.args ?? [], { cwd, env });
  return credentialSchema.parse(JSON.parse(output)).status;
}

type Optional<T> = { [Key in keyof T]?: T[Key] | undefined };
function withoutUndefined(access: Optional<ClusterAccess> & { server: string }): ClusterAccess {
  return Object.fromEntries(
    Object.entries(access).filter(([, value]) => value !== undefined),
  ) as unknown as ClusterAccess;
}

/** The text of a kubeconfig (JSON, which is YAML) that needs no other file. */
export function kubeconfigOf(access: ClusterAccess, name: string): string {
  const base64 = (pem: string | undefined): string | undefined =>
    pem === undefined ? undefined : Buffer.from(pem).toString('base64');
  const cluster = {
    server: access.server,
    'certificate-authority-data': base64(access.ca),
    'tls-server-name': access.serverName,
    'insecure-skip-tls-verify': access.insecure,
  };
  const user = {
    'client-certificate-data': base64(access.certificate),
    'client-key-data': base64(access.key),
    token: access.token,
    as: access.impersonate?.user,
    'as-groups': access.impersonate?.groups,
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
