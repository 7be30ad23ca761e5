import { configFromArguments } from '../../foundation/config.ts';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { createLogger } from '../../foundation/logger.ts';
import { loadAccess } from '../../operator/runtime/access.ts';
import { createClient } from '../../operator/runtime/client.ts';
import { resources } from '../../operator/runtime/resources.ts';
import { createTransport } from '../../operator/runtime/transport.ts';
import type { Client, KubernetesObject, Resource } from '../../operator/runtime/types.ts';
import { type KeysConfig, keysConfig } from './config.ts';
import { type Contents, nextKeyRing, nextPasswords } from './keys.ts';

/** Of a ConfigMap `data` is text, of a Secret it is base64. */
interface Holder extends KubernetesObject {
  data?: Record<string, string>;
}

interface Place {
  resource: Resource;
  namespace: string;
  name: string;
}

/**
 * Makes the keys of an installation, once, and takes the assertion key one step of its rotation on. It runs as a Job at
 * every upgrade of the chart; what is right already is not written. Nothing secret is logged.
 */
const logger = createLogger('keys', 'info');

try {
  const config = await configFromArguments(keysConfig, process.argv.slice(2), 'control-plane/keys/main.ts');
  const transport = createTransport(loadAccess(), { program: 'imageplane-keys' });
  try {
    await run(createClient(transport), config);
  } finally {
    await transport.close();
  }
} catch (error) {
  logger.fatal(error instanceof UsageError ? error.message : { reason: messageOf(error) });
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run(client: Client, config: KeysConfig): Promise<void> {
  const { systemNamespace: system, dmzNamespace: dmz } = config;
  const secret = (namespace: string, name: string): Place => ({
    resource: resources.Secret,
    namespace,
    name,
  });
  const places = {
    api: secret(system, 'imageplane-api-keys'),
    gateway: secret(dmz, 'imageplane-gateway-keys'),
    jwks: { resource: resources.ConfigMap, namespace: system, name: 'imageplane-assertion-jwks' },
  };
  const found = {
    api: await read(client, places.api),
    gateway: await read(client, places.gateway),
    jwks: await read(client, places.jwks),
  };
  const next = await nextKeyRing(found, config.assertion);
  // Nobody signs with a key before it is published.
  await write(client, places.jwks, found.jwks, next.jwks);
  await write(client, places.api, found.api, next.api);
  await write(client, places.gateway, found.gateway, next.gateway);
  if (!config.trialDatabase) return;
  const database = secret(system, 'imageplane-postgres-passwords');
  const gateway = secret(dmz, 'imageplane-gateway-database');
  const known = { database: await read(client, database), gateway: await read(client, gateway) };
  const passwords = nextPasswords(known);
  await write(client, database, known.database, passwords.database);
  await write(client, gateway, known.gateway, passwords.gateway);
}

async function read(client: Client, { resource, namespace, name }: Place): Promise<Contents> {
  const { data = {} } = (await client.get<Holder>(resource, { namespace, name })) ?? {};
  if (resource.kind === 'ConfigMap') return data;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}

async function write(
  client: Client,
  { resource, namespace, name }: Place,
  before: Contents,
  contents: Contents,
): Promise<void> {
  const sorted = (one: Contents): string => JSON.stringify(Object.entries(one).sort());
  if (sorted(before) === sorted(contents)) return;
  const isSecret = resource.kind === 'Secret';
  const data = Object.fromEntries(
    Object.entries(contents).map(([key, value]) => [
      key,
      isSecret ? Buffer.from(value).toString('base64') : value,
    ]),
  );
  const object = {
    apiVersion: 'v1',
    kind: resource.kind,
    metadata: { namespace, name, labels: { 'app.kubernetes.io/part-of': 'imageplane' } },
    ...(isSecret ? { type: 'Opaque' } : {}),
    data,
  };
  await client.apply(resource, object, { fieldManager: 'imageplane-keys', force: true });
  logger.info({ kind: resource.kind, namespace, name, keys: Object.keys(contents) }, 'written');
}
