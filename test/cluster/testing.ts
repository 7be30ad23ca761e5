/**
 * A cluster for tests: ours, brought up when it is not there, or any other whose kubeconfig
 * IMAGEPLANE_TEST_KUBECONFIG names (its nodes must have the product's images).
 *
 *     const cluster = await openTestCluster('policy', { images: ['inference-server'] });
 *     await cluster.apply([namespace('acme'), …]);
 *     await cluster.kubectl(['wait', …]);
 *     await cluster.close();
 *
 * `close` takes our own cluster down; it deletes nothing of a foreign one, so tests there name their
 * namespaces themselves and delete them.
 */
import { ensureBinaries, printProgress } from './binaries.ts';
import { takeDown } from './down.ts';
import { type Outcome, attempt, execute } from './exec.ts';
import { type ProductImage, imageName, loadImages } from './images.ts';
import { layoutOf } from './layout.ts';
import type { UpOptions } from './start.ts';
import { bringUp, withClusterLock } from './up.ts';

export const foreignKubeconfig = process.env['IMAGEPLANE_TEST_KUBECONFIG'];

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

export interface TestCluster {
  kubeconfig: string;
  /** Runs kubectl and gives what it printed; throws with what it said when it fails. */
  kubectl(parameters: readonly string[], input?: string): Promise<string>;
  /** The same, whatever its exit code. */
  attempt(parameters: readonly string[], input?: string): Promise<Outcome>;
  /** Server-side apply. */
  apply(objects: readonly unknown[]): Promise<void>;
  /** Runs a JavaScript module in a pod whose image has Node, and gives what it printed. */
  runIn(namespace: string, pod: string, script: string): Promise<string>;
  /** Seconds of the start and of the images, where they are ours. */
  measures: { start: number; images: number };
  close(): Promise<void>;
}

export interface TestClusterOptions extends Partial<Pick<UpOptions, 'gpus' | 'mig' | 'maxPods'>> {
  images?: readonly ProductImage[];
}

function over(kubectl: string, kubeconfig: string): Omit<TestCluster, 'measures' | 'close'> {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const withInput = (input?: string): { env: NodeJS.ProcessEnv; input?: string } =>
    input === undefined ? { env } : { env, input };
  const list = (objects: readonly unknown[]): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  return {
    kubeconfig,
    kubectl: (parameters, input) => execute(kubectl, parameters, withInput(input)),
    attempt: (parameters, input) => attempt(kubectl, parameters, withInput(input)),
    async apply(objects) {
      await execute(kubectl, ['apply', '--server-side', '--filename', '-'], withInput(list(objects)));
    },
    runIn: (namespace, pod, script) =>
      execute(
        kubectl,
        ['exec', '--namespace', namespace, pod, '--', 'node', '--input-type=module', '--eval', script],
        { env },
      ),
  };
}

/** Our cluster of that name with the images loaded, or the foreign one. */
export async function openTestCluster(name: string, options: TestClusterOptions = {}): Promise<TestCluster> {
  const { kubectl } = await ensureBinaries(['kubectl'], { onProgress: printProgress });
  if (foreignKubeconfig !== undefined) {
    const close = (): Promise<void> => Promise.resolve();
    return { ...over(kubectl, foreignKubeconfig), measures: { start: 0, images: 0 }, close };
  }
  const layout = layoutOf(name);
  const { gpus = 0, mig = {}, maxPods = 110, images = [] } = options;
  const { seconds } = await bringUp(layout, { gpus, mig, maxPods, say, onProgress: printProgress });
  const { base, build, load } =
    images.length > 0 ? await loadImages(layout, images, say) : { base: 0, build: 0, load: 0 };
  return {
    ...over(kubectl, layout.kubeconfig),
    measures: { start: seconds, images: Math.round(10 * (base + build + load)) / 10 },
    async close() {
      await withClusterLock(layout, say, () => takeDown(layout));
    },
  };
}

/** A pod of the inference server's image that runs a script instead: it has Node, and is not root. */
export function scriptPod(namespace: string, name: string, script: string): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'script',
          image: imageName('inference-server'),
          imagePullPolicy: foreignKubeconfig === undefined ? 'Never' : 'IfNotPresent',
          command: ['node', '--input-type=module', '--eval', script],
          securityContext: restricted,
        },
      ],
    },
  };
}

/** What the product's own pods are held to. */
export const restricted = {
  runAsNonRoot: true,
  readOnlyRootFilesystem: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
} as const;

export function namespaceObject(name: string, labels: Record<string, string> = {}): Record<string, unknown> {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export function serviceObject(namespace: string, name: string, ports: Record<string, number>): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      selector: { app: name },
      ports: Object.entries(ports).map(([port, number]) => ({
        name: port,
        port: number,
        targetPort: number,
      })),
    },
  };
}

/** Tries to connect to each host and port at once; prints, as JSON, `through` or the reason by its name. */
export function connectScript(
  targets: Readonly<Record<string, readonly [host: string, port: number]>>,
): string {
  return `
const { connect } = await import('node:net');
const results = {};
await Promise.all(Object.entries(${JSON.stringify(targets)}).map(([name, [host, port]]) => new Promise((resolve) => {
  const socket = connect({ host, port, timeout: 3000 });
  const done = (result) => { results[name] = result; socket.destroy(); resolve(); };
  socket.on('connect', () => done('through')).on('error', (error) => done(error.code)).on('timeout', () => done('timeout'));
})));
console.log(JSON.stringify(results));
`;
}

/** Whether what `connectScript` printed of a target is what a NetworkPolicy does. */
export function isRefused(result: string): boolean {
  return result === 'ECONNREFUSED' || result === 'timeout';
}
