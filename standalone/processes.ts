import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { unixUrl } from '../foundation/address.ts';
import { readSecret } from '../foundation/config.ts';
import { fetchAnywhere } from '../foundation/fetch.ts';
import type { ModelConfig } from '../inference-server/config.ts';
import { createThrottle } from './child-output.ts';
import { startChild } from './child.ts';
import { apiConfigOf, gatewayConfigOf, inferenceConfigOf, type Setting } from './configs.ts';
import type { Terminal } from './console.ts';
import { configPath, logPath } from './layout.ts';
import { MARK } from './leftovers.ts';
import type { Plan, PlannedInference } from './plan.ts';
import { prepareDatabase } from './postgres/roles.ts';
import { type PostgresServer, startPostgres } from './postgres/server.ts';
import { writePrivate } from './secrets.ts';
import { type Running, supervise, type Supervised } from './supervise.ts';

export interface Context {
  setting: Setting;
  checkout: string;
  terminal: Terminal;
  /** Ends starting, when a person asks to stop or something else has failed. */
  signal: AbortSignal;
  env: NodeJS.ProcessEnv;
  now: () => number;
}

/** What runs. Stopped from the outside inwards: nothing is asked for what has stopped already. */
export interface Processes {
  startPostgres(): Promise<void>;
  startApi(plan: Plan): Promise<void>;
  startGateway(): Promise<void>;
  startInference(planned: PlannedInference, files: ModelConfig['files']): Promise<void>;
  stop(): Promise<void>;
  /** At once, without asking. */
  kill(): void;
}

/** Stops in this order; those of one rank together. */
const RANKS = ['gateway', 'inference', 'api', 'postgres'] as const;
type Rank = (typeof RANKS)[number];

const SHOWN_MESSAGES = { limit: 5, windowMs: 10_000 };

export function createProcesses(context: Context): Processes {
  const { setting, checkout, terminal, signal, now } = context;
  const { layout, secrets, ports } = setting;
  const env = { ...context.env, [MARK]: layout.data };
  const running: Record<Rank, Supervised[]> = { gateway: [], inference: [], api: [], postgres: [] };
  let stopping = false;

  async function keep(
    rank: Rank,
    name: string,
    start: (signal: AbortSignal) => Promise<Running>,
  ): Promise<void> {
    const from = now();
    const supervised = await supervise({
      name,
      start: (own) => start(AbortSignal.any([own, signal])),
      report: (message) => {
        if (!stopping) terminal.line(message);
      },
      sleep: (ms, abort) => delay(ms, undefined, { signal: abort }),
      now,
    });
    running[rank].push(supervised);
    terminal.debug(`${name}: ready after ${((now() - from) / 1000).toFixed(2)} s`);
  }

  async function keepProgram(
    rank: Rank,
    name: string,
    program: string,
    config: unknown,
    readyUrl: string,
  ): Promise<void> {
    signal.throwIfAborted();
    await writePrivate(configPath(layout, name), `${JSON.stringify(config, null, 2)}\n`);
    const logFile = logPath(layout, name);
    const report = createThrottle({ ...SHOWN_MESSAGES, where: logFile }, showFrom(name), now);
    await keep(rank, name, (own) =>
      startChild({
        name,
        program: join(checkout, program),
        config: configPath(layout, name),
        readyUrl,
        logFile,
        env,
        report,
        signal: own,
      }),
    );
  }

  const showFrom =
    (name: string) =>
    (message: string): void => {
      // While everything goes, everything misses something; the logs have it.
      if (!stopping && !signal.aborted) terminal.line(`[${name}] ${message}`);
    };

  return {
    async startPostgres() {
      const passwords = {
        superuser: await readSecret(secrets.superuserPassword),
        owner: await readSecret(secrets.ownerPassword),
        gateway: await readSecret(secrets.gatewayPassword),
      };
      await keep('postgres', 'postgres', async () => {
        const server = await startPostgres({
          dataDir: layout.postgres,
          cacheDir: layout.cache,
          logFile: logPath(layout, 'postgres'),
          password: passwords.superuser,
          environment: env,
        });
        await prepareDatabase(server, passwords).catch(async (error: unknown) => {
          await server.stop();
          throw error;
        });
        return asRunning(server);
      });
    },
    startApi: (plan) =>
      keepProgram(
        'api',
        'api',
        'control-plane/api/main.ts',
        apiConfigOf(setting, plan.external),
        unixUrl(layout.apiSocket('internal'), '/readyz'),
      ),
    startGateway: () =>
      keepProgram(
        'gateway',
        'gateway',
        'control-plane/gateway/main.ts',
        gatewayConfigOf(setting),
        metricsUrl(ports.gatewayMetrics),
      ),
    startInference: (planned, files) =>
      keepProgram(
        'inference',
        planned.processName,
        'inference-server/main.ts',
        inferenceConfigOf(setting, planned, files),
        metricsUrl(ports.inferenceMetrics[planned.id] ?? 0),
      ),
    async stop() {
      stopping = true;
      for (const rank of RANKS) {
        const from = now();
        await Promise.all(running[rank].map((supervised) => supervised.stop()));
        if (running[rank].length > 0)
          terminal.debug(`${rank}: stopped after ${((now() - from) / 1000).toFixed(2)} s`);
      }
    },
    kill() {
      stopping = true;
      for (const rank of RANKS) for (const supervised of running[rank]) supervised.kill();
    },
  };
}

function asRunning(server: PostgresServer): Running {
  return {
    exited: server.exited.then(() => 'the server stopped'),
    stop: () => server.stop(),
    kill: () => {
      void server.kill('SIGQUIT');
    },
  };
}

const metricsUrl = (port: number): string => `http://127.0.0.1:${port}/readyz`;

const demoKey = z.object({ key: z.string().min(1) });

/** A key for the tenant, from the API's internal port. */
export async function askDemoKey({ layout, secrets }: Setting, tenant: string): Promise<string> {
  const response = await fetchAnywhere(unixUrl(layout.apiSocket('internal'), '/internal/v1/demo-key'), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await readSecret(secrets.internalToken)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ tenant }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`The API gave no demo key: ${response.status} ${text.slice(0, 500)}`);
  return demoKey.parse(JSON.parse(text)).key;
}

/** Waits until the gateway knows the key, which it learns with its next snapshot. */
export async function untilKeyWorks(address: string, key: string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(15_000)]);
  for (;;) {
    const response = await fetch(`${address}/api/v1/usage`, {
      headers: { authorization: `Bearer ${key}` },
      signal: limit,
    });
    await response.body?.cancel();
    if (response.status !== 401) return;
    await delay(50, undefined, { signal: limit });
  }
}
