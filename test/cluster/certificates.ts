/** Keys and certificates of one cluster, made by the openssl command; good for a year. */
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from './exec.ts';

export interface CertificateRequest {
  /** Base name of its .crt and .key. */
  name: string;
  /** Common name: the user of a client, anything for a server. */
  commonName: string;
  /** Organization: the group of a client. */
  group?: string;
  /** `DNS:…` and `IP:…` names of a server. */
  hosts?: readonly string[];
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority of its own: NAME.crt, NAME.key. */
export async function createAuthority(folder: string, name: string): Promise<void> {
  const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
  const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'];
  await execute('openssl', [
    'req',
    '-x509',
    ...KEY,
    '-days',
    '365',
    '-subj',
    `/CN=${name}`,
    ...usage,
    ...files,
  ]);
  await chmod(join(folder, `${name}.key`), 0o600);
}

/** A certificate signed by that authority, for clients and servers alike. */
export async function createCertificate(
  folder: string,
  authority: string,
  request: CertificateRequest,
): Promise<void> {
  const { name, commonName, group, hosts = [] } = request;
  const subject = `${group === undefined ? '' : `/O=${group}`}/CN=${commonName}`;
  const signer = ['-CA', join(folder, `${authority}.crt`), '-CAkey', join(folder, `${authority}.key`)];
  const extensions = ['basicConstraints=critical,CA:FALSE', 'extendedKeyUsage=clientAuth,serverAuth'];
  if (hosts.length > 0) extensions.push(`subjectAltName=${hosts.join(',')}`);
  const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
  await execute('openssl', [
    ...['req', '-x509', ...KEY, '-days', '365', '-subj', subject, ...signer],
    ...extensions.flatMap((extension) => ['-addext', extension]),
    ...files,
  ]);
  await chmod(join(folder, `${name}.key`), 0o600);
}

/** The key pair that signs the tokens of service accounts: NAME.key, NAME.pub. */
export async function createTokenKey(folder: string, name: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(folder, `${name}.key`), privateKey.export({ type: 'sec1', format: 'pem' }), {
    mode: 0o600,
  });
  await writeFile(join(folder, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
}

/** All that a whole cluster needs, in `folder`. */
export async function createClusterCertificates(
  folder: string,
  node: string,
  addresses: readonly string[],
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await Promise.all([
    createAuthority(folder, 'ca'),
    createAuthority(folder, 'front-proxy-ca'),
    createTokenKey(folder, 'service-account'),
  ]);
  const service = 'kubernetes.default.svc';
  const names = ['localhost', 'kubernetes', 'kubernetes.default', service, `${service}.cluster.local`];
  const hosts = [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)];
  const requests: CertificateRequest[] = [
    { name: 'apiserver', commonName: 'kube-apiserver', hosts },
    { name: 'apiserver-kubelet', commonName: 'kube-apiserver-kubelet', group: 'system:masters' },
    { name: 'admin', commonName: 'imageplane-admin', group: 'system:masters' },
    { name: 'controller-manager', commonName: 'system:kube-controller-manager' },
    { name: 'scheduler', commonName: 'system:kube-scheduler' },
    { name: 'kube-proxy', commonName: 'system:kube-proxy' },
    { name: 'network-policy', commonName: 'imageplane:network-policy' },
    { name: 'kubelet', commonName: `system:node:${node}`, group: 'system:nodes', hosts },
  ];
  for (const request of requests) await createCertificate(folder, 'ca', request);
  await createCertificate(folder, 'front-proxy-ca', { name: 'front-proxy', commonName: 'front-proxy' });
}
