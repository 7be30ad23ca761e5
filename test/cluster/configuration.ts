/** The components' configuration files: pure text. */
import { DNS_ADDRESS, type Layout, NODE_NAME, PAUSE_IMAGE, POD_RANGE, inside } from './layout.ts';

/** The daemon's own folders are all inside; plugins that need other kernels or other folders are off. */
export function containerdConfiguration(): string {
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.erofs",
]

[grpc]
address = "${inside.containerdSocket}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
# A machine may withhold CAP_SYS_RESOURCE; without this every sandbox would die at its start there.
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "${inside.configuration}/cni"
`;
}

/** Pods on one bridge. */
export function cniConfiguration(): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'imageplane',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: '/run/cni',
          ranges: [[{ subnet: POD_RANGE }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });
}

/** The kubelet's; it reserves nothing and evicts late, since the machine is shared with its tests. */
export function kubeletConfiguration(layout: Layout, maxPods: number): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      x509: { clientCAFile: `${inside.pki}/ca.crt` },
      webhook: { enabled: true },
      anonymous: { enabled: false },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: `${inside.pki}/kubelet.crt`,
    tlsPrivateKeyFile: `${inside.pki}/kubelet.key`,
    containerRuntimeEndpoint: `unix://${inside.containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${layout.cgroup}`,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    maxPods,
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: 'cluster.local',
    resolvConf: `${inside.configuration}/resolv.conf`,
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    evictionHard: { 'memory.available': '64Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    serializeImagePulls: false,
    nodeStatusUpdateFrequency: '5s',
  });
}

export function kubeProxyConfiguration(): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clusterCIDR: POD_RANGE,
    hostnameOverride: NODE_NAME,
    clientConnection: { kubeconfig: `${inside.kubeconfigs}/kube-proxy` },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    oomScoreAdj: 0,
    // The settings of connection tracking belong to the machine, not to this network namespace.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    iptables: { syncPeriod: '30s', minSyncPeriod: '0s' },
  });
}
