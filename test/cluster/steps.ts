/**
 * What is built, from which Go module, in which order: plain data.
 * Each step is one `go build`; each module has its own go.mod, since their dependencies disagree.
 */

export interface BuildStep {
  /** Folder under `go/` that holds go.mod, go.sum and perhaps a main.go. */
  module: string;
  /** Binary name → package to build. */
  packages: Readonly<Record<string, string>>;
  /** `-X` settings of the linker. */
  settings: readonly string[];
  /** Seconds of a cold build, measured on 2 cores in the order of this table. */
  estimateSeconds: number;
  /**
   * How a binary found elsewhere proves that it fits: its `version` arguments and what its answer
   * must contain. Absent where only our own build serves.
   */
  version?: { arguments: readonly string[]; expected: RegExp };
}

const kubernetesVersion = '1.36.3';
const kubernetesSettings = [
  `-X k8s.io/component-base/version.gitVersion=v${kubernetesVersion}`,
  '-X k8s.io/component-base/version.gitMajor=1',
  '-X k8s.io/component-base/version.gitMinor=36',
];
const kubernetesCommand = (name: string): string => `k8s.io/kubernetes/cmd/${name}`;
const containerdCommand = (name: string): string => `github.com/containerd/containerd/v2/cmd/${name}`;

export const buildSteps = {
  etcd: {
    module: 'etcd',
    packages: { etcd: 'go.etcd.io/etcd/server/v3' },
    settings: [],
    estimateSeconds: 55,
    version: { arguments: ['--version'], expected: /^etcd Version: 3\.[5-9]\./ },
  },
  'kube-apiserver': {
    module: 'kubernetes',
    packages: { 'kube-apiserver': kubernetesCommand('kube-apiserver') },
    settings: kubernetesSettings,
    estimateSeconds: 245,
    version: { arguments: ['--version'], expected: /^Kubernetes v1\.36\./ },
  },
  kubectl: {
    module: 'kubernetes',
    packages: { kubectl: kubernetesCommand('kubectl') },
    settings: kubernetesSettings,
    estimateSeconds: 25,
    version: { arguments: ['version', '--client'], expected: /^Client Version: v1\.36\./ },
  },
  kubernetes: {
    module: 'kubernetes',
    packages: {
      'kube-controller-manager': kubernetesCommand('kube-controller-manager'),
      'kube-scheduler': kubernetesCommand('kube-scheduler'),
      'kube-proxy': kubernetesCommand('kube-proxy'),
      kubelet: kubernetesCommand('kubelet'),
    },
    settings: kubernetesSettings,
    estimateSeconds: 80,
    version: { arguments: ['--version'], expected: /^Kubernetes v1\.36\./ },
  },
  containerd: {
    module: 'containerd',
    packages: {
      containerd: containerdCommand('containerd'),
      'containerd-shim-runc-v2': containerdCommand('containerd-shim-runc-v2'),
      ctr: containerdCommand('ctr'),
    },
    settings: ['-X github.com/containerd/containerd/v2/version.Version=v2.4.2'],
    estimateSeconds: 100,
  },
  'kube-router': {
    module: 'kube-router',
    packages: { 'kube-router': '.' },
    settings: [],
    estimateSeconds: 70,
  },
  coredns: {
    module: 'coredns',
    packages: { coredns: '.' },
    settings: [],
    estimateSeconds: 40,
  },
  pause: {
    module: 'pause',
    packages: { pause: '.' },
    settings: [],
    estimateSeconds: 15,
  },
  helm: {
    module: 'helm',
    packages: { helm: 'helm.sh/helm/v4/cmd/helm' },
    settings: ['-X helm.sh/helm/v4/internal/version.version=v4.3.1'],
    estimateSeconds: 100,
    version: { arguments: ['version', '--short'], expected: /^v4\./ },
  },
} as const satisfies Record<string, BuildStep>;

export type StepName = keyof typeof buildSteps;
type NamesIn<Step> = Step extends { packages: infer Packages } ? keyof Packages & string : never;
export type BinaryName = { [Name in StepName]: NamesIn<(typeof buildSteps)[Name]> }[StepName];

export const stepNames = Object.keys(buildSteps) as StepName[];

/** The step that makes a binary. */
export function stepOf(binary: BinaryName): StepName {
  const found = stepNames.find((name) => binary in buildSteps[name].packages);
  if (found === undefined) throw new Error(`No build step makes ${binary}`);
  return found;
}
