import { parseConfig } from '../../foundation/config.ts';
import { type OperatorConfig, operatorConfig } from '../../operator/config.ts';
import type { ClusterImageModel, ImageService, Tenant } from '../../operator/kinds.ts';

const API_VERSION = 'imageplane.dev/v1alpha1';

/** A configuration as the chart writes it, with `changes`. */
export function configOf(changes: Record<string, unknown> = {}): OperatorConfig {
  return parseConfig(
    operatorConfig,
    {
      images: { inferenceServer: 'registry.example/imageplane/inference-server@sha256:' + 'c'.repeat(64) },
      modelStoreUrl: 'http://imageplane-model-store.imageplane-system.svc:8080',
      usageUrl: 'http://imageplane-api-intake.imageplane-system.svc:8082/v1/usage-events',
      metrics: { host: '127.0.0.1', port: 0 },
      ...changes,
    },
    'the test',
  );
}

/** As the schema fills it in. */
export const unbounded: Tenant['spec']['limits'] = {
  requestsPerDay: 0,
  requestsPerMonth: 0,
  concurrency: 0,
  megapixelsPerRequest: 50,
  megapixelsPerDay: 0,
  megapixelsPerMonth: 0,
  stepsPerDay: 0,
  stepsPerMonth: 0,
  computeSecondsPerDay: 0,
  computeSecondsPerMonth: 0,
  perUser: { requestsPerMinute: 0, concurrency: 0, megapixelsInFlight: 0, stepsInFlight: 0 },
};

/** A Tenant as the API server gives it. */
export function tenantOf(name: string, spec: Partial<Tenant['spec']> = {}): Tenant {
  return {
    apiVersion: API_VERSION,
    kind: 'Tenant',
    metadata: { name, uid: `uid-tenant-${name}`, generation: 1 },
    spec: {
      plan: 'free',
      limits: unbounded,
      access: { secondFactor: 'Administrators', basic: false, risk: { action: 'Off', timeZone: 'UTC' } },
      retention: { auditDays: 400, resultsDays: 30, usageDays: 400 },
      ...spec,
    },
  };
}

/** An ImageService of engine onnx with the model `tiny`, unless `spec` says otherwise. */
export function serviceOf(
  namespace: string,
  name: string,
  spec: Partial<ImageService['spec']> = {},
): ImageService {
  return {
    apiVersion: API_VERSION,
    kind: 'ImageService',
    metadata: { name, namespace, uid: `uid-service-${name}`, generation: 1 },
    spec: {
      engine: 'onnx',
      ...(spec.engine === 'container' ? {} : { modelRef: { kind: 'ClusterImageModel', name: 'tiny' } }),
      access: { intranetOnly: false, secondFactor: false },
      limits: { requestsPerMinute: 0, concurrency: 0 },
      queue: { depth: 16, deadlineSeconds: 120 },
      maxBodyMegabytes: 32,
      idleUnloadSeconds: 300,
      ...spec,
    },
  };
}

/** A ClusterImageModel that the inference server can run. */
export function modelOf(name = 'tiny', spec: Partial<ClusterImageModel['spec']> = {}): ClusterImageModel {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterImageModel',
    metadata: { name, uid: `uid-model-${name}`, generation: 1 },
    spec: {
      task: 'background-removal',
      family: 'isnet',
      files: [
        { name: 'model.onnx', source: 'https://models.example/m.onnx', sha256: 'a'.repeat(64), size: 1000 },
      ],
      license: {
        spdx: 'MIT',
        commercialUse: true,
        source: 'https://models.example/LICENSE',
        acknowledgementRequired: false,
      },
      precision: 'fp32',
      pipeline: {
        size: { width: 64, height: 64 },
        mean: [0, 0, 0],
        std: [1, 1, 1],
        activation: 'none',
      },
      ...spec,
    },
  };
}
