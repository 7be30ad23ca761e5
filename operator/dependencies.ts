import type { OperatorConfig } from './config.ts';
import type { Applier } from './runtime/apply.ts';
import type { EventRecorder } from './runtime/events.ts';
import type { Client } from './runtime/types.ts';
import type { Informers } from './stores.ts';

/** What a controller works with. */
export interface ControllerDependencies {
  client: Client;
  /** With the field manager of this controller. */
  applier: Applier;
  stores: Informers;
  events: EventRecorder;
  config: OperatorConfig;
  now: () => Date;
}

/** Of a child: a digest of what was last applied. Each child has one controller, so one name serves all. */
export const APPLIED = 'imageplane.dev/applied';
