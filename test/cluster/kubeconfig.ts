import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A kubeconfig (JSON, which is YAML) with its certificates inside, so that the one file is enough. */
export async function writeKubeconfig(
  file: string,
  options: { server: string; pki: string; user: string; context: string },
): Promise<void> {
  const base64 = async (name: string): Promise<string> =>
    (await readFile(join(options.pki, name))).toString('base64');
  const { context } = options;
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context,
    clusters: [
      {
        name: context,
        cluster: { server: options.server, 'certificate-authority-data': await base64('ca.crt') },
      },
    ],
    users: [
      {
        name: options.user,
        user: {
          'client-certificate-data': await base64(`${options.user}.crt`),
          'client-key-data': await base64(`${options.user}.key`),
        },
      },
    ],
    contexts: [{ name: context, context: { cluster: context, user: options.user } }],
  };
  await writeFile(file, `${JSON.stringify(kubeconfig, null, 2)}\n`, { mode: 0o600 });
}
