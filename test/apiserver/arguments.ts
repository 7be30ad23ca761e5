/** What etcd and kube-apiserver are told. Paths count from the folder that both run in. */
import { join } from 'node:path';

/**
 * Sockets in a folder of its own (mode 0700) instead of ports: nobody else on the machine can speak to this etcd, which
 * asks for no password, and several need no free ports. A socket's path may have about 100 characters; a relative one is
 * short.
 */
const CLIENT = 'unix://etcd.sock';
const PEER = 'unix://peer.sock';

export function etcdArguments(): string[] {
  return [
    '--name=test',
    '--data-dir=etcd',
    `--listen-client-urls=${CLIENT}`,
    `--advertise-client-urls=${CLIENT}`,
    `--listen-peer-urls=${PEER}`,
    `--initial-advertise-peer-urls=${PEER}`,
    `--initial-cluster=test=${PEER}`,
    // Nothing here outlives the test, let alone a power cut.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

export function apiServerArguments(port: number, pki: string): string[] {
  return [
    `--etcd-servers=${CLIENT}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    // No pod could reach it, so it is not made an endpoint of the Service "kubernetes".
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.96.0.0/16',
    `--client-ca-file=${join(pki, 'ca.crt')}`,
    `--tls-cert-file=${join(pki, 'apiserver.crt')}`,
    `--tls-private-key-file=${join(pki, 'apiserver.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(pki, 'service-account.pub')}`,
    `--service-account-signing-key-file=${join(pki, 'service-account.key')}`,
    '--authorization-mode=RBAC',
    '--anonymous-auth=false',
    '--allow-privileged=true',
    '--profiling=false',
    // Nothing makes the ServiceAccount "default" of a namespace here, without which it would refuse every pod.
    '--disable-admission-plugins=ServiceAccount',
  ];
}
