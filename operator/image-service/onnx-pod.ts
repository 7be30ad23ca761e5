import type { V1Container, V1PodSpec, V1Probe, V1Volume } from '@kubernetes/client-node';
import type { Plain } from '../kinds.ts';
import { childName, METRICS_PORT, SERVICE_PORT } from '../../contracts/workload.ts';
import type { OperatorConfig } from '../config.ts';
import { ASSERTION_KEYS } from '../tenant/names.ts';
import { paths, TOKEN_FILE, CONFIG_FILE } from './inference-config.ts';
import { FETCH, MAIN } from './names.ts';
import { containerSecurity, USER } from './pod-security.ts';
import { containerResources, modelMebibytes, OUTBOX_MEBIBYTES, TEMPORARY_MEBIBYTES } from './resources.ts';
import type { Target } from './target.ts';

const CONFIG = `${paths.config}/${CONFIG_FILE}`;
const TOKEN_SECONDS = 3600;
/** Time for a model to be loaded and warmed up: 10 s × 90. */
const STARTUP_TRIES = 90;

/** What is particular to engine onnx: model files come first and are checked, then the server starts with them. */
export function onnxPod(target: Target): Pick<Plain<V1PodSpec>, 'initContainers' | 'containers' | 'volumes'> {
  return {
    initContainers: [fetchContainer(target)],
    containers: [serverContainer(target)],
    volumes: volumes(target),
  };
}

/** The user that our image runs as. */
export const ONNX_USER = USER;

function fetchContainer({ config }: Target): Plain<V1Container> {
  return {
    ...imageOf(config),
    name: FETCH,
    args: ['inference-server/fetch-model.ts', '--config', CONFIG, '--store', config.modelStoreUrl],
    // Less than what the server asks for, so that the pod asks for no more because of it.
    resources: {
      requests: { cpu: '100m', memory: '128Mi' },
      limits: { memory: '512Mi' },
    },
    securityContext: containerSecurity,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: 'config', mountPath: paths.config, readOnly: true },
      { name: 'models', mountPath: paths.models },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function serverContainer(target: Target): Plain<V1Container> {
  return {
    ...imageOf(target.config),
    name: MAIN,
    args: ['inference-server/main.ts', '--config', CONFIG],
    ports: [
      { name: 'http', containerPort: SERVICE_PORT, protocol: 'TCP' },
      { name: 'metrics', containerPort: METRICS_PORT, protocol: 'TCP' },
    ],
    resources: containerResources(target),
    securityContext: containerSecurity,
    startupProbe: probe('/readyz', 10, STARTUP_TRIES),
    readinessProbe: probe('/readyz', 5, 3),
    livenessProbe: probe('/healthz', 10, 6),
    // The gateway hears of it before connections are refused.
    lifecycle: { preStop: { sleep: { seconds: 5 } } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: 'config', mountPath: paths.config, readOnly: true },
      { name: 'keys', mountPath: paths.keys, readOnly: true },
      { name: 'models', mountPath: paths.models, readOnly: true },
      { name: 'outbox', mountPath: paths.outbox },
      { name: 'token', mountPath: paths.token, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function imageOf({
  images,
  imagePullPolicy,
}: OperatorConfig): Pick<Plain<V1Container>, 'image' | 'imagePullPolicy'> {
  return { image: images.inferenceServer, imagePullPolicy };
}

function probe(path: string, periodSeconds: number, failureThreshold: number): Plain<V1Probe> {
  return {
    httpGet: { path, port: METRICS_PORT, scheme: 'HTTP' },
    periodSeconds,
    failureThreshold,
    timeoutSeconds: 5,
  };
}

function volumes(target: Target): Plain<V1Volume>[] {
  return [
    { name: 'config', configMap: { name: childName(target.service.metadata.name) } },
    { name: 'keys', configMap: { name: ASSERTION_KEYS } },
    { name: 'models', emptyDir: { sizeLimit: `${modelMebibytes(target) + 64}Mi` } },
    { name: 'outbox', emptyDir: { sizeLimit: `${OUTBOX_MEBIBYTES}Mi` } },
    { name: 'tmp', emptyDir: { sizeLimit: `${TEMPORARY_MEBIBYTES}Mi` } },
    {
      name: 'token',
      projected: {
        sources: [
          {
            serviceAccountToken: {
              audience: 'imageplane-usage',
              expirationSeconds: TOKEN_SECONDS,
              path: TOKEN_FILE,
            },
          },
        ],
      },
    },
  ];
}
