import { closeServer, listen } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Registry } from 'prom-client';
import { createClient } from './client.ts';
import { type Clock, pause, systemClock } from './clock.ts';
import { type Controller, type ControllerOptions, createController } from './controller.ts';
import { createEventRecorder, type EventRecorder } from './events.ts';
import { createInformer, type Informer, type InformerOptions } from './informer.ts';
import { createElector, type Elector, LEASE_TIMES, type LeaseTimes } from './leader-election.ts';
import type { RuntimeMetrics } from './metrics.ts';
import { createProbeServer, type Problem } from './probes.ts';
import type { Transport } from './transport.ts';
import type { Client, KubernetesObject, ObjectKey } from './types.ts';

export interface ManagerOptions {
  transport: Transport;
  logger: Logger;
  registry: Registry;
  /** The one made for the transport, so that all names are registered once. */
  metrics: RuntimeMetrics;
  /** Where `/healthz`, `/readyz` and `/metrics` are. */
  probes: { host: string; port: number };
  /** Of this process among its replicas: the pod's name, and something that a restart changes. */
  identity: string;
  /** Without it this process works at once. */
  election?: { lease: Required<ObjectKey>; times?: LeaseTimes };
  /** `imageplane.dev/operator` */
  reportingController: string;
  clock?: Clock;
  random?: () => number;
}

/**
 * One operator process: informers that all replicas keep warm, controllers that only the leader runs, probes.
 *
 *     const manager = createManager({ transport, … });
 *     const tenants = manager.informer<Tenant>({ resource: resources.Tenant });
 *     manager.controller({ name: 'tenant', watches: [own(tenants)], reconcile });
 *     await manager.start();
 *     void manager.lost.then(() => process.exit(1));
 *     await manager.stop();
 */
export interface Manager {
  /** For reading anything, and for writing while this process leads: a write without the lead is refused. */
  client: Client;
  events: EventRecorder;
  metrics: RuntimeMetrics;
  informer: <T extends KubernetesObject>(options: InformerOptions<T>) => Informer<T>;
  controller: (options: ControllerOptions) => Controller;
  /** Resolves when probes answer; stores, lead and controllers follow by themselves. Answers where the probes are. */
  start: () => Promise<{ port: number }>;
  /** Resolves with the reason when the lead is lost. The process must end then: others work already. */
  lost: Promise<string>;
  /** Lets reconciles end, releases the lead, sends events. Takes no longer than `STOP_LIMIT_MS`. Never throws. */
  stop: () => Promise<void>;
}

/** Below the 15 s that foundation/program.ts gives. */
export const STOP_LIMIT_MS = 12_000;
const DRAIN_MS = 6_000;
/** For reconciles to end once their signal has. */
const ABORTED_MS = 1_000;
const EVENTS_MS = 2_000;

export function createManager(options: ManagerOptions): Manager {
  const { transport, logger, registry, metrics, election, identity } = options;
  const { clock = systemClock, random = Math.random } = options;
  const stopping = new AbortController();
  const lost = Promise.withResolvers<string>();
  const informers: Informer[] = [];
  const controllers: Controller[] = [];
  const plain = createClient(transport);
  const elector = election === undefined ? undefined : createElectorFor(election);
  const client = elector === undefined ? plain : whileLeading(plain, elector.leads);
  const events = createEventRecorder({
    client,
    ...{ reportingController: options.reportingController, reportingInstance: identity },
    ...{ clock, logger, count: metrics.events },
  });
  const server = createProbeServer({ registry, deadly, unready });
  let bringingUp: Promise<void> | undefined;

  function createElectorFor({ lease, times = LEASE_TIMES }: NonNullable<typeof election>): Elector {
    metrics.leader(lease.name, false);
    return createElector({
      ...{ client: plain, lease, identity, times, clock, random, logger },
      onChange(leads) {
        metrics.leader(lease.name, leads);
      },
    });
  }

  function deadly(): Problem[] {
    return controllers.flatMap((controller) => problemOf('reconcile_stuck', controller.problem()));
  }

  function unready(): Problem[] {
    return [
      ...informers.flatMap((informer) =>
        problemOf('watch_failing', prefixed(informer.resource.kind, informer.problem())),
      ),
      ...problemOf('lease_failing', elector?.problem()),
      ...deadly(),
    ];
  }

  async function bringUp(): Promise<void> {
    await Promise.all(informers.map((informer) => informer.whenSynced(stopping.signal)));
    logger.info({ kinds: informers.map(({ resource }) => resource.kind) }, 'everything is listed');
    if (elector !== undefined) {
      await elector.acquire(stopping.signal);
      void elector.lost.then((reason) => {
        logger.fatal({ reason }, 'the lead is lost');
        for (const controller of controllers) void controller.stop(0);
        lost.resolve(reason);
      });
    }
    stopping.signal.throwIfAborted();
    for (const controller of controllers) controller.start();
  }

  async function stop(): Promise<void> {
    stopping.abort(new Error('the operator stops'));
    // A reconcile that heeds no signal holds up neither the lease nor the process.
    await within(clock, DRAIN_MS + ABORTED_MS, Promise.all(controllers.map((one) => one.stop(DRAIN_MS))));
    // While this process still leads, or they would be refused.
    await events.close(EVENTS_MS);
    await elector?.release();
    await Promise.all(informers.map((informer) => informer.stop()));
    await bringingUp;
  }

  return {
    client,
    events,
    metrics,
    informer(of) {
      const informer = createInformer(of, { transport, logger, clock, random, metrics });
      informers.push(informer as unknown as Informer);
      return informer;
    },
    controller(of) {
      const controller = createController(of, { logger, clock, metrics });
      controllers.push(controller);
      return controller;
    },
    async start() {
      const { port } = await listen(server, options.probes);
      for (const informer of informers) informer.start();
      bringingUp = bringUp().catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.fatal({ err: error }, 'the operator could not begin its work');
      });
      return { port };
    },
    lost: lost.promise,
    async stop() {
      const stopped = stop().catch((error: unknown) => {
        logger.error({ err: error }, 'failed while stopping');
      });
      await within(clock, STOP_LIMIT_MS, stopped);
      await closeServer(server, 100);
      await transport.close();
    },
  };
}

/** Waits for that, but no longer. */
async function within(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  const limit = new AbortController();
  const end = (): void => {
    limit.abort();
  };
  void work.then(end, end);
  await pause(clock, limitMs, limit.signal);
}

/** The lead was lost, or has never been: another process may be writing. */
export class NotLeadingError extends Error {
  constructor() {
    super('This process does not lead, so it must not write');
    this.name = 'NotLeadingError';
  }
}

function whileLeading(client: Client, leads: () => boolean): Client {
  const check = (): void => {
    if (!leads()) throw new NotLeadingError();
  };
  return {
    get: client.get,
    list: client.list,
    async apply(resource, object, call) {
      check();
      return client.apply(resource, object, call);
    },
    async create(resource, object, call) {
      check();
      return client.create(resource, object, call);
    },
    async update(resource, object, call) {
      check();
      return client.update(resource, object, call);
    },
    async delete(resource, key, call) {
      check();
      await client.delete(resource, key, call);
    },
  };
}

function problemOf(code: string, message: string | undefined): Problem[] {
  return message === undefined ? [] : [{ code, message }];
}

function prefixed(name: string, problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : `${name}: ${problem}`;
}
