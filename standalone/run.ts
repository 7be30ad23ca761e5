import { join } from 'node:path';
import { loadObjects } from '../crds/load.ts';
import type { ModelConfig } from '../inference-server/config.ts';
import type { Ports, Setting } from './configs.ts';
import type { Terminal } from './console.ts';
import { type Layout, layoutOf } from './layout.ts';
import { loadIdentityProviders } from './identity-providers.ts';
import { endLeftovers } from './leftovers.ts';
import { fetchModels } from './models.ts';
import type { Options } from './options.ts';
import { licenceLines, type Plan, type PlannedModel, planOf } from './plan.ts';
import { freePorts } from './ports.ts';
import { findBinaries } from './postgres/binaries.ts';
import { allowPassage } from './postgres/server.ts';
import { assertPortFree, assertSocketsFit, lockFolder, prepareFolder } from './preflight.ts';
import { askDemoKey, createProcesses, type Processes, untilKeyWorks } from './processes.ts';
import { prepareSecrets } from './secrets.ts';
import { curlLine, type Welcome, welcomeText } from './welcome.ts';

export interface Run {
  options: Options;
  checkout: string;
  /** The folder in which the person stands. */
  cwd: string;
  env: NodeJS.ProcessEnv;
  terminal: Terminal;
  /** Aborts when the person asks to stop. */
  stop: AbortSignal;
  /** Aborts when the person asks again. */
  force: AbortSignal;
  now: () => number;
  random: () => number;
}

/**
 * Starts everything, says so, and stops it when asked.
 * @throws UsageError for what a person can correct; everything that was started has been stopped then.
 */
export async function run(given: Run): Promise<void> {
  const { terminal, now } = given;
  const startedAt = now();
  const objects = await loadObjects(given.options.objects);
  const plan = planOf(objects);
  const { identityProviders: providersFile } = given.options;
  const tenants = objects.tenants.map(({ metadata }) => metadata.name);
  const identityProviders =
    providersFile === undefined ? [] : await loadIdentityProviders(providersFile, tenants);
  await findBinaries();
  const dataDir = await prepareFolder(given.options.dataDir, '--data-dir (IMAGEPLANE_DATA)', 0o700);
  const cacheDir = await prepareFolder(given.options.cacheDir, '--cache-dir (IMAGEPLANE_CACHE)', 0o755);
  const options = { ...given.options, dataDir, cacheDir };
  const layout = layoutOf(options);
  assertSocketsFit(layout);
  const lock = lockFolder(layout.lock, dataDir);
  try {
    await allowPassage(dataDir);
    const ended = await endLeftovers(dataDir);
    if (ended > 0) terminal.line(`Ended ${ended} processes that an earlier start had left behind.`);
    await assertPortFree(options.port, options.host);
    const setting = { ...(await settle(options, layout, plan, given.random)), identityProviders };
    await startUntilStopped({ ...given, options }, setting, plan, startedAt);
  } finally {
    lock.release();
  }
}

/** Keys and ports. */
async function settle(
  options: Options,
  layout: Layout,
  plan: Plan,
  random: () => number,
): Promise<Omit<Setting, 'identityProviders'>> {
  const ids = plan.inference.map(({ id }) => id);
  const secrets = await prepareSecrets(layout, ids);
  // One more than are needed, should the gateway's be among them.
  const free = await freePorts(3 + ids.length, random);
  const numbers = free.filter((port) => port !== options.port);
  const next = (): number => {
    const port = numbers.shift();
    if (port === undefined) throw new Error('There are not enough free ports.');
    return port;
  };
  const inferenceMetrics: Ports['inferenceMetrics'] = {};
  for (const id of ids) inferenceMetrics[id] = next();
  const ports: Ports = {
    gateway: options.port === 0 ? next() : options.port,
    gatewayMetrics: next(),
    inferenceMetrics,
  };
  return { options, layout, secrets, ports };
}

async function startUntilStopped(given: Run, setting: Setting, plan: Plan, startedAt: number): Promise<void> {
  const { terminal, stop, force, now, env, checkout } = given;
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, failed.signal]);
  const processes = createProcesses({ setting, checkout, terminal, signal, env, now });
  force.addEventListener('abort', () => {
    processes.kill();
  });
  const starting = startAll(given, setting, plan, processes, signal);
  // The first failure ends the starting of the others.
  for (const part of starting)
    part.catch((error: unknown) => {
      failed.abort(error);
    });
  try {
    const [key] = await Promise.all(starting);
    terminal.line(welcomeText(welcomeOf(given, setting, plan, { key, startedAt })));
    await aborted(stop);
  } catch (error) {
    if (!stop.aborted) throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    await Promise.allSettled(starting);
    await processes.stop();
  }
}

/** The database's chain and the models' chain, side by side. The first gives the demo key. */
function startAll(
  given: Run,
  setting: Setting,
  plan: Plan,
  processes: Processes,
  signal: AbortSignal,
): [Promise<string | undefined>, Promise<void>] {
  const { terminal, now, options } = given;
  const control = async (): Promise<string | undefined> => {
    await processes.startPostgres();
    await processes.startApi(plan);
    const tenant = keyTenant(plan);
    const key = tenant === undefined ? undefined : await askDemoKey(setting, tenant);
    await processes.startGateway();
    if (key !== undefined) await untilKeyWorks(addressOf(setting), key, signal);
    return key;
  };
  const models = async (): Promise<void> => {
    const servers: Promise<void>[] = [];
    const onModel = (model: PlannedModel, files: ModelConfig['files']): void => {
      for (const planned of plan.inference.filter((service) => service.model === model)) {
        const server = processes.startInference(planned, files);
        server.catch(() => undefined);
        servers.push(server);
      }
    };
    const from = now();
    await fetchModels(
      plan.models,
      { store: setting.layout.modelStore, offline: options.offline, terminal, signal, now },
      onModel,
    );
    terminal.debug(`models: there after ${((now() - from) / 1000).toFixed(2)} s`);
    await Promise.all(servers);
  };
  return [control(), models()];
}

function keyTenant(plan: Plan): string | undefined {
  return plan.inference[0]?.tenant ?? plan.tenants[0];
}

function addressOf({ options, ports }: Setting): string {
  return `http://${options.host === '::1' ? '[::1]' : options.host}:${ports.gateway}`;
}

function welcomeOf(
  { cwd, checkout, now }: Run,
  setting: Setting,
  plan: Plan,
  { key, startedAt }: { key: string | undefined; startedAt: number },
): Welcome {
  const address = addressOf(setting);
  const [service] = plan.inference;
  const tenant = keyTenant(plan);
  return {
    address,
    seconds: (now() - startedAt) / 1000,
    key: key === undefined || tenant === undefined ? undefined : { tenant, key },
    services: [...plan.inference.map(({ id }) => id), ...Object.keys(plan.external)].map((id) => `/s/${id}`),
    licences: plan.models.flatMap(licenceLines),
    notices: plan.notices,
    logs: setting.layout.logs,
    curl:
      key === undefined || service === undefined
        ? undefined
        : curlLine({
            url: `${address}/s/${service.id}/api/remove`,
            key,
            photo: join(checkout, 'examples', 'photos', 'astronaut.jpg'),
            cwd,
          }),
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}
