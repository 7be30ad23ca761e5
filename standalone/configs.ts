import type { z } from 'zod';
import type { apiConfig } from '../control-plane/api/config.ts';
import type { gatewayConfig } from '../control-plane/gateway/config.ts';
import type { IdentityProviderConfig } from '../control-plane/identity/providers/config.ts';
import type { inferenceServerConfig, ModelConfig, modelConfig } from '../inference-server/config.ts';
import { unixUrl } from '../foundation/address.ts';
import type { Layout } from './layout.ts';
import type { Options } from './options.ts';
import type { PlannedInference } from './plan.ts';
import { DATABASE, GATEWAY, OWNER } from './postgres/roles.ts';
import { POSTGRES_PORT } from './postgres/postmaster.ts';
import type { Secrets } from './secrets.ts';

const LOOPBACK = '127.0.0.1';

/** What listens on loopback: the gateway and the metrics. Everything else listens on sockets in a closed folder. */
export interface Ports {
  gateway: number;
  gatewayMetrics: number;
  /** By `{tenant}/{service}`. */
  inferenceMetrics: Record<string, number>;
}

export interface Setting {
  options: Options;
  layout: Layout;
  secrets: Secrets;
  ports: Ports;
  identityProviders: IdentityProviderConfig[];
}

const local = (port: number): { host: string; port: number } => ({ host: LOOPBACK, port });

export function apiConfigOf(
  { options, layout, secrets, ports, identityProviders }: Setting,
  external: Record<string, string>,
): z.input<typeof apiConfig> {
  const endpoints: Record<string, string[]> = {};
  for (const id of Object.keys(ports.inferenceMetrics)) endpoints[id] = [unixUrl(layout.inferenceSocket(id))];
  for (const [id, url] of Object.entries(external)) endpoints[id] = [url];
  return {
    logLevel: options.logLevel,
    listen: { socket: layout.apiSocket('public') },
    internal: { socket: layout.apiSocket('internal') },
    intake: { socket: layout.apiSocket('intake') },
    database: {
      host: layout.postgres,
      port: POSTGRES_PORT,
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
    identityProviders,
    sessions: { key: secrets.sessionKey, sealKeyFile: secrets.sessionSealKey },
    intakeTokens: secrets.intakeTokens,
  };
}

export function gatewayConfigOf({ options, layout, secrets, ports }: Setting): z.input<typeof gatewayConfig> {
  return {
    logLevel: options.logLevel,
    listen: { host: options.host, port: ports.gateway },
    metrics: local(ports.gatewayMetrics),
    hosts: ['localhost', LOOPBACK, '[::1]'],
    api: { url: unixUrl(layout.apiSocket('public')) },
    snapshot: {
      url: unixUrl(layout.apiSocket('internal'), '/internal/v1/snapshot'),
      tokenFile: secrets.internalToken,
      publicKey: secrets.snapshotPublicKey,
      cache: layout.snapshotCache,
    },
    assertionKey: secrets.assertionKey,
    secretsKeyFile: secrets.secretsKey,
    database: {
      host: layout.postgres,
      port: POSTGRES_PORT,
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
  const metrics = ports.inferenceMetrics[planned.id];
  if (metrics === undefined) throw new Error(`${planned.id} was not planned completely`);
  return {
    logLevel: options.logLevel,
    listen: { socket: layout.inferenceSocket(planned.id) },
    metrics: local(metrics),
    tenant: planned.tenant,
    service: planned.service,
    assertion: { mode: 'required', jwks: secrets.assertionJwks },
    models: [modelConfigOf(planned.model, files)],
    ...planned.settings,
    usage: {
      url: unixUrl(layout.apiSocket('intake'), '/v1/usage-events'),
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
