import type { z } from 'zod';
import type { apiConfig } from '../control-plane/api/config.ts';
import type { gatewayConfig } from '../control-plane/gateway/config.ts';
import type { inferenceServerConfig, ModelConfig, modelConfig } from '../inference-server/config.ts';
import type { Layout } from './layout.ts';
import type { Options } from './options.ts';
import type { PlannedInference } from './plan.ts';
import { DATABASE, GATEWAY, OWNER } from './postgres/roles.ts';
import type { Secrets } from './secrets.ts';

const LOOPBACK = '127.0.0.1';

/** Where everything listens. All of it is loopback. */
export interface Ports {
  gateway: number;
  gatewayMetrics: number;
  api: number;
  apiInternal: number;
  apiIntake: number;
  /** By `{tenant}/{service}`. */
  inference: Record<string, { listen: number; metrics: number }>;
}

export interface Setting {
  options: Options;
  layout: Layout;
  secrets: Secrets;
  ports: Ports;
}

const local = (port: number): { host: string; port: number } => ({ host: LOOPBACK, port });
export const urlOf = (port: number, path = ''): string => `http://${LOOPBACK}:${port}${path}`;

export function apiConfigOf(
  { options, secrets, ports }: Setting,
  postgresPort: number,
  external: Record<string, string>,
): z.input<typeof apiConfig> {
  const endpoints: Record<string, string[]> = {};
  for (const [id, { listen }] of Object.entries(ports.inference)) endpoints[id] = [urlOf(listen)];
  for (const [id, url] of Object.entries(external)) endpoints[id] = [url];
  return {
    logLevel: options.logLevel,
    listen: local(ports.api),
    internal: local(ports.apiInternal),
    intake: local(ports.apiIntake),
    database: {
      ...local(postgresPort),
      database: DATABASE,
      user: OWNER,
      passwordFile: secrets.ownerPassword,
    },
    objects: { paths: options.objects },
    endpoints,
    assertionJwks: secrets.assertionJwks,
    snapshotKey: secrets.snapshotKey,
    internalTokenFile: secrets.internalToken,
    secretsKeyFile: secrets.secretsKey,
    sessions: { key: secrets.sessionKey, sealKeyFile: secrets.sessionSealKey },
    intakeTokens: secrets.intakeTokens,
  };
}

export function gatewayConfigOf(
  { options, layout, secrets, ports }: Setting,
  postgresPort: number,
): z.input<typeof gatewayConfig> {
  return {
    logLevel: options.logLevel,
    listen: { host: options.host, port: ports.gateway },
    metrics: local(ports.gatewayMetrics),
    hosts: ['localhost', LOOPBACK, '[::1]'],
    api: { url: urlOf(ports.api) },
    snapshot: {
      url: urlOf(ports.apiInternal, '/internal/v1/snapshot'),
      tokenFile: secrets.internalToken,
      publicKey: secrets.snapshotPublicKey,
      cache: layout.snapshotCache,
    },
    assertionKey: secrets.assertionKey,
    secretsKeyFile: secrets.secretsKey,
    database: {
      ...local(postgresPort),
      database: DATABASE,
      user: GATEWAY,
      passwordFile: secrets.gatewayPassword,
    },
    outbox: layout.outbox('gateway'),
  };
}

/** @throws Error when no ports were set aside for the service. */
export function inferenceConfigOf(
  { options, layout, secrets, ports }: Setting,
  planned: PlannedInference,
  files: ModelConfig['files'],
): z.input<typeof inferenceServerConfig> {
  const own = ports.inference[planned.id];
  if (own === undefined) throw new Error(`${planned.id} was not planned completely`);
  return {
    logLevel: options.logLevel,
    listen: local(own.listen),
    metrics: local(own.metrics),
    tenant: planned.tenant,
    service: planned.service,
    assertion: { mode: 'required', jwks: secrets.assertionJwks },
    models: [modelConfigOf(planned.model, files)],
    ...planned.settings,
    usage: {
      url: urlOf(ports.apiIntake, '/v1/usage-events'),
      tokenFile: secrets.usageToken(planned.id),
      outbox: layout.outbox(planned.processName),
    },
  };
}

function modelConfigOf(
  { name, spec: { family, task, pipeline } }: PlannedInference['model'],
  files: ModelConfig['files'],
): z.input<typeof modelConfig> {
  if (task === 'tensor-inference') return { name, family, task: 'tensors', files };
  if (pipeline === undefined) throw new Error(`${name} was planned without a pipeline`);
  return { name, family, task: 'background-removal', files, pipeline };
}
