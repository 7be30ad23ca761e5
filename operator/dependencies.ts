import type { OperatorConfig } from './config.ts';
import type { Client } from './runtime/types.ts';
import type { Stores } from './stores.ts';

/** What a controller works with. */
export interface ControllerDependencies {
  client: Client;
  stores: Stores;
  config: OperatorConfig;
  now: () => Date;
}
