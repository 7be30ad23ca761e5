/** Keys and certificates of an API server alone, made by the openssl command. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority, createCertificate, createTokenKey } from '../cluster/certificates.ts';
import { execute } from '../cluster/exec.ts';

/** In `folder`: ca, apiserver, service-account. */
export async function createServerCertificates(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  await Promise.all([createAuthority(folder, 'ca'), createTokenKey(folder, 'service-account')]);
  await createCertificate(folder, 'ca', {
    name: 'apiserver',
    commonName: 'kube-apiserver',
    hosts: ['IP:127.0.0.1', 'DNS:localhost'],
  });
}

/** In the words of openssl's -subj, which takes / and + for separators. */
export function subjectOf(user: string, groups: readonly string[]): string {
  const escaped = (value: string): string => value.replace(/[\\/+]/g, (character) => `\\${character}`);
  return `${groups.map((group) => `/O=${escaped(group)}`).join('')}/CN=${escaped(user)}`;
}

/**
 * A client certificate of that user and those groups, as PEM, signed by the ca in `folder`.
 * X.509 takes at most 64 characters for each.
 * @throws RangeError for a longer or an empty one.
 */
export async function createClientCertificate(
  folder: string,
  user: string,
  groups: readonly string[],
): Promise<{ certificate: string; key: string }> {
  for (const name of [user, ...groups])
    if (name === '' || Array.from(name).length > 64)
      throw new RangeError(`A user or group has 1 to 64 characters, not as ${JSON.stringify(name)}`);
  const file = join(folder, `client-${crypto.randomUUID()}`);
  await execute('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '365'],
    ...['-utf8', '-subj', subjectOf(user, groups)],
    ...['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key')],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'extendedKeyUsage=clientAuth'],
    ...['-keyout', `${file}.key`, '-out', `${file}.crt`],
  ]);
  const [certificate, key] = await Promise.all([
    readFile(`${file}.crt`, 'utf8'),
    readFile(`${file}.key`, 'utf8'),
  ]);
  return { certificate, key };
}
