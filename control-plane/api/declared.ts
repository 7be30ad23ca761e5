import type { Role } from '../../contracts/principal.ts';
import type { Snapshot } from '../../contracts/snapshot.ts';
import type { Objects } from '../../crds/load.ts';
import { compilePolicies, groupsOf, type KnownModels, modelsOf } from './compile.ts';

type Policies = Pick<Snapshot, 'tenants' | 'services'>;

/** What is declared, as it is now. Its records change in place: whoever holds one reads it anew at each use. */
export interface Declared {
  policies: Policies;
  groups: Map<string, readonly { name: string; role: Role }[]>;
  /** By tenant and name. */
  models: Map<string, KnownModels>;
  /** Grows with every change. */
  revision: () => number;
  update: (objects: Objects, endpoints: Readonly<Record<string, string[]>>) => void;
}

export function createDeclared(): Declared {
  const policies: Policies = { tenants: {}, services: {} };
  const groups: Declared['groups'] = new Map();
  const models: Declared['models'] = new Map();
  let revision = 0;
  return {
    policies,
    groups,
    models,
    revision: () => revision,
    update(objects, endpoints) {
      const next = compilePolicies(objects, endpoints);
      replace(policies.tenants, next.tenants);
      replace(policies.services, next.services);
      groups.clear();
      for (const [tenant, admitted] of groupsOf(objects)) groups.set(tenant, admitted);
      models.clear();
      for (const [tenant, known] of modelsOf(objects)) models.set(tenant, known);
      revision += 1;
    },
  };
}

function replace<T>(record: Record<string, T>, next: Readonly<Record<string, T>>): void {
  for (const key of Object.keys(record)) if (!Object.hasOwn(next, key)) Reflect.deleteProperty(record, key);
  Object.assign(record, next);
}
