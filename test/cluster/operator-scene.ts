/** What the test of the operator on a cluster applies: models, a second tenant, services that fail, and clients. */
import { createHash } from 'node:crypto';
import { tinyGraph } from '../support/onnx.ts';
import { imageName } from './images.ts';
import { namespaceObject, scriptPod } from './testing.ts';

const IMAGEPLANE = 'imageplane.dev/v1alpha1';
const SIDE = 64;
const weights = tinyGraph({ width: SIDE, height: SIDE });
export const digest = createHash('sha256').update(weights).digest('hex');

export const OTHER = 'tenant-other';
/** A pod `client` is in each; none of them is the DMZ. */
export const clientNamespaces = ['default', 'tenant-demo', OTHER] as const;

const WEIGHTS = 'test-weights';
/** The model store reads `file:` sources from a ConfigMap: the cluster has no way out. */
export const modelFiles = { modelStore: { files: { configMap: { name: WEIGHTS } } } };

export function weightsObjects(system: string): unknown[] {
  const metadata = { name: WEIGHTS, namespace: system };
  const binaryData = { 'tiny.onnx': weights.toString('base64') };
  return [
    namespaceObject(system, { 'pod-security.kubernetes.io/enforce': 'restricted' }),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, binaryData },
  ];
}

function model(name: string, source: string, sha256: string, license: Record<string, unknown> = {}): unknown {
  return {
    apiVersion: IMAGEPLANE,
    kind: 'ClusterImageModel',
    metadata: { name },
    spec: {
      task: 'background-removal',
      family: 'isnet',
      files: [{ name: 'model.onnx', source, sha256, size: weights.length }],
      license: { spdx: 'MIT', commercialUse: true, source: 'the test', ...license },
      precision: 'fp32',
      resources: { cpu: '50m', memory: '1Gi' },
      pipeline: { size: { width: SIDE, height: SIDE }, mean: [0, 0, 0], std: [1, 1, 1], activation: 'none' },
    },
  };
}

/** The first stands in, under its name, for the weights of the examples. */
export const models = [
  model('isnet-general-fp16', 'file:tiny.onnx', digest),
  model('other-bytes', 'file:tiny.onnx', 'a'.repeat(64)),
  model('no-file', 'file:gone.onnx', 'b'.repeat(64)),
  model('terms', 'file:tiny.onnx', digest, { commercialUse: false, acknowledgementRequired: true }),
];

export const otherTenant = {
  apiVersion: IMAGEPLANE,
  kind: 'Tenant',
  metadata: { name: 'other' },
  spec: { quota: { requests: { memory: '16Gi', 'nvidia.com/gpu': '4' }, services: 10 } },
};

export interface Failure {
  name: string;
  spec: Record<string, unknown>;
  reason: string;
  /** What the message must say of what to do, or of what it found. */
  says: RegExp;
}

const small = { resources: { requests: { cpu: '10m', memory: '64Mi' } } };
const onnx = (name: string): Record<string, unknown> => ({ engine: 'onnx', modelRef: { name } });
const container = (image: string, ...args: string[]): Record<string, unknown> => ({
  ...small,
  engine: 'container',
  container: { image, args },
});
const image = imageName('inference-server');
const SERVE = `require('net').createServer().listen(7860)`;
const END = `console.error('no such page'); process.exit(7)`;

export const failures: readonly Failure[] = [
  {
    name: 'wrong-digest',
    spec: onnx('other-bytes'),
    reason: 'ModelDigestMismatch',
    says: /right sha256 and size/,
  },
  { name: 'missing-file', spec: onnx('no-file'), reason: 'ModelFileMissing', says: /Correct the source/ },
  {
    name: 'missing-model',
    spec: onnx('isnet-genral'),
    reason: 'ModelMissing',
    says: /correct spec\.modelRef/,
  },
  {
    name: 'terms',
    spec: onnx('terms'),
    reason: 'LicenceNotAcknowledged',
    says: /kubectl annotate tenant other/,
  },
  {
    name: 'two-gpus',
    spec: { ...container(image, '--eval', SERVE), gpu: { count: 2 } },
    reason: 'GPUUnavailable',
    says: /add a node/,
  },
  {
    name: 'no-image',
    spec: container('localhost/nobody/nothing:1'),
    reason: 'ImageUnavailable',
    says: /Correct its name or tag/,
  },
  {
    name: 'crash-loop',
    spec: container(image, '--eval', END),
    reason: 'CrashLoop',
    says: /exit code 7.*no such page.*--previous/,
  },
];

export const failingServices = failures.map(({ name, spec }) => ({
  apiVersion: IMAGEPLANE,
  kind: 'ImageService',
  metadata: { name, namespace: OTHER },
  spec,
}));

/** Clients in tenants’ namespaces may send anywhere, so that what stops them is the wall around the service. */
export function clients(): unknown[] {
  const idle = 'setInterval(() => {}, 1000)';
  return clientNamespaces.flatMap((namespace) => [
    scriptPod(namespace, 'client', idle),
    ...(namespace === 'default' ? [] : [outOf(namespace)]),
  ]);
}

function outOf(namespace: string): unknown {
  const spec = { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'], egress: [{}] };
  const metadata = { name: 'client-may-send', namespace };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
}

/** Posts the picture to the URL once for each assertion, in order; prints status and error code by its name. */
export function assertionScript(
  url: string,
  headerName: string,
  assertions: Readonly<Record<string, string | undefined>>,
  picture: Buffer,
): string {
  return `
const body = Buffer.from('${picture.toString('base64')}', 'base64');
const results = {};
for (const [name, assertion] of Object.entries(${JSON.stringify(assertions)})) {
  const headers = { 'content-type': 'image/png', ...(assertion === '' ? {} : { '${headerName}': assertion }) };
  const answer = await fetch('${url}', { method: 'POST', headers, body });
  const code = answer.status === 200 ? answer.headers.get('content-type') : (await answer.json()).error?.code;
  results[name] = [answer.status, code];
}
console.log(JSON.stringify(results));
`;
}
