import { METRICS_PORT, SERVICE_PORT } from '../../contracts/workload.ts';
import { executionProvider } from '../../crds/effective.ts';
import type { AnyModel } from '../kinds.ts';
import type { Target } from './target.ts';

/** Folders and files in a pod of engine onnx. */
export const paths = {
  config: '/etc/imageplane',
  keys: '/etc/imageplane-keys',
  models: '/models',
  outbox: '/var/lib/imageplane/outbox',
  token: '/var/run/secrets/imageplane',
} as const;
export const CONFIG_FILE = 'config.json';
export const TOKEN_FILE = 'usage-token';

/** Where a model's file lies in the pod. */
export function modelPath(name: string): string {
  return `${paths.models}/${name}`;
}

/** Configuration of the inference server, as inference-server/config.ts reads it; a test holds the two together. */
export function inferenceConfig(
  { service, tenant, config }: Target,
  model: AnyModel,
): Record<string, unknown> {
  const { queue, maxBodyMegabytes } = service.spec;
  const { family, files, pipeline } = model.spec;
  if (pipeline === undefined) throw new Error(`the model ${model.metadata.name} has no pipeline`);
  return {
    logLevel: 'info',
    listen: { host: '0.0.0.0', port: SERVICE_PORT },
    metrics: { host: '0.0.0.0', port: METRICS_PORT },
    tenant: tenant.metadata.name,
    service: service.metadata.name,
    assertion: { mode: 'required', jwks: `${paths.keys}/${config.assertionJwks.key}` },
    models: [
      {
        name: model.metadata.name,
        family,
        task: 'background-removal',
        files: files.map(({ name, sha256, size }) => ({ name, path: modelPath(name), sha256, size })),
        pipeline,
      },
    ],
    executionProvider: executionProvider(service),
    queue: { depth: queue.depth, deadlineSeconds: queue.deadlineSeconds },
    limits: {
      maxBodyBytes: maxBodyMegabytes * 1_048_576,
      maxPixels: tenant.spec.limits.megapixelsPerRequest * 1_000_000,
    },
    usage: {
      url: config.usageUrl,
      tokenFile: `${paths.token}/${TOKEN_FILE}`,
      outbox: paths.outbox,
    },
  };
}
