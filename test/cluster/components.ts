/** The components of the cluster, their arguments and their order: pure data. */
import type { BinaryName } from './binaries.ts';
import { type Addresses, API_PORT, NODE_NAME, POD_RANGE, SERVICE_RANGE, inside } from './layout.ts';

export const componentNames = [
  'etcd',
  'containerd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kube-router',
] as const satisfies BinaryName[];

export type ComponentName = (typeof componentNames)[number];

const { pki, configuration, kubeconfigs } = inside;

/** Arguments of one component; `addresses` are those of the cluster's link. */
export function componentArguments(name: ComponentName, addresses: Addresses): string[] {
  switch (name) {
    case 'etcd':
      return [
        '--data-dir=/var/lib/etcd',
        '--listen-client-urls=http://127.0.0.1:2379',
        '--advertise-client-urls=http://127.0.0.1:2379',
        '--listen-peer-urls=http://127.0.0.1:2380',
        // Safe here: nothing of a cluster for trials outlives the machine.
        '--unsafe-no-fsync',
        '--log-level=warn',
      ];
    case 'containerd':
      return ['--config', `${configuration}/containerd.toml`];
    case 'kube-apiserver':
      return [
        '--etcd-servers=http://127.0.0.1:2379',
        `--secure-port=${API_PORT}`,
        `--advertise-address=${addresses.inner}`,
        `--service-cluster-ip-range=${SERVICE_RANGE}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${pki}/service-account.pub`,
        `--service-account-signing-key-file=${pki}/service-account.key`,
        `--client-ca-file=${pki}/ca.crt`,
        `--tls-cert-file=${pki}/apiserver.crt`,
        `--tls-private-key-file=${pki}/apiserver.key`,
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        '--anonymous-auth=false',
        '--allow-privileged=true',
        '--profiling=false',
        `--kubelet-client-certificate=${pki}/apiserver-kubelet.crt`,
        `--kubelet-client-key=${pki}/apiserver-kubelet.key`,
        `--kubelet-certificate-authority=${pki}/ca.crt`,
        // Nodes have no name in any DNS here.
        '--kubelet-preferred-address-types=InternalIP',
        `--requestheader-client-ca-file=${pki}/front-proxy-ca.crt`,
        '--requestheader-allowed-names=front-proxy',
        '--requestheader-username-headers=X-Remote-User',
        '--requestheader-group-headers=X-Remote-Group',
        '--requestheader-extra-headers-prefix=X-Remote-Extra-',
        `--proxy-client-cert-file=${pki}/front-proxy.crt`,
        `--proxy-client-key-file=${pki}/front-proxy.key`,
      ];
    case 'kube-controller-manager':
      return [
        ...clients('controller-manager'),
        '--leader-elect=false',
        // A quota that counts a kind which was defined a moment ago has no status until the next of these; 5 min by default.
        '--resource-quota-sync-period=5s',
        '--bind-address=127.0.0.1',
        '--profiling=false',
        '--use-service-account-credentials=true',
        `--service-account-private-key-file=${pki}/service-account.key`,
        `--root-ca-file=${pki}/ca.crt`,
        `--cluster-signing-cert-file=${pki}/ca.crt`,
        `--cluster-signing-key-file=${pki}/ca.key`,
        `--cluster-cidr=${POD_RANGE}`,
        '--allocate-node-cidrs=false',
      ];
    case 'kube-scheduler':
      return [
        ...clients('scheduler'),
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
        '--profiling=false',
      ];
    case 'kubelet':
      return [
        `--config=${configuration}/kubelet.json`,
        `--kubeconfig=${kubeconfigs}/kubelet`,
        `--hostname-override=${NODE_NAME}`,
        `--node-ip=${addresses.inner}`,
      ];
    case 'kube-proxy':
      return [`--config=${configuration}/kube-proxy.json`];
    case 'kube-router':
      return [
        `--kubeconfig=${kubeconfigs}/network-policy`,
        `--node=${NODE_NAME}`,
        `--service-cluster-ip-range=${SERVICE_RANGE}`,
      ];
  }
}

function clients(name: string): string[] {
  const file = `${kubeconfigs}/${name}`;
  return [
    `--kubeconfig=${file}`,
    `--authentication-kubeconfig=${file}`,
    `--authorization-kubeconfig=${file}`,
  ];
}
