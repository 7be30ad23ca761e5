import { parseQuantity } from '../../crds/quantity.ts';
import type { KubernetesObject } from '../runtime/types.ts';
import { APPLIED, type Child } from './child.ts';

/**
 * Whether a living child is as it should be.
 * - `clean`: it is.
 * - `differs`: something that was applied stands there otherwise, or is no longer wanted: applying repairs it.
 * - `foreign`: somebody added what was never applied (a second container, a key); applying would leave it there.
 */
export type Drift = 'clean' | 'differs' | 'foreign';

type Values = Readonly<Record<string, unknown>>;

/** Kinds to which the API server adds defaults, so that only what we name can be compared, except under EXACT keys. */
const defaulted = new Set(['deployments', 'services', 'serviceAccounts', 'namespaces']);
const EXACT = new Set(['matchLabels', 'nodeSelector', 'selector', 'labels']);
const QUANTITIES = new Set(['requests', 'limits', 'hard', 'default', 'defaultRequest']);

export function driftOf(child: Child, live: KubernetesObject): Drift {
  const { body, exact } = partsOf(child);
  const found = live as unknown as Values;
  if (!Object.keys(body).every((key) => isSubset(body[key], found[key], exact, key)))
    return withoutForeign(child, live) === undefined ? 'differs' : 'foreign';
  return metadataHolds(child.object, live) ? 'clean' : 'differs';
}

/** The living object without what somebody added; undefined when there is nothing to remove. */
export function withoutForeign(child: Child, live: KubernetesObject): KubernetesObject | undefined {
  const { body, exact } = partsOf(child);
  const removed = { count: 0 };
  const result = { ...live } as KubernetesObject & Record<string, unknown>;
  for (const key of Object.keys(body))
    if (key in result) result[key] = prune(body[key], result[key], exact, removed, key);
  return removed.count === 0 ? undefined : result;
}

function partsOf({ kind, object }: Child): { body: Values; exact: boolean } {
  const { apiVersion: _, kind: __, metadata: ___, ...body } = object as KubernetesObject & Values;
  return { body, exact: !defaulted.has(kind) };
}

function metadataHolds(
  { metadata: wanted }: KubernetesObject,
  { metadata: live }: KubernetesObject,
): boolean {
  const controller = wanted.ownerReferences?.[0]?.uid;
  return (
    wanted.annotations?.[APPLIED] === live.annotations?.[APPLIED] &&
    isSubset(wanted.labels ?? {}, live.labels ?? {}, false) &&
    isSubset(wanted.annotations ?? {}, live.annotations ?? {}, false) &&
    (controller === undefined ||
      live.ownerReferences?.some(({ uid, controller: is }) => uid === controller && is === true) === true)
  );
}

/** Whether all that is wanted stands there; under `exact`, nothing else does. Lists are compared whole. */
function isSubset(wanted: unknown, live: unknown, exact: boolean, key = ''): boolean {
  if (live === undefined || live === null) return isEmpty(wanted);
  if (Array.isArray(wanted))
    return (
      Array.isArray(live) &&
      wanted.length === live.length &&
      wanted.every((item, index) => isSubset(item, live[index], exact))
    );
  if (isValues(wanted)) {
    if (!isValues(live)) return false;
    const strict = exact || EXACT.has(key);
    return (
      Object.keys(wanted).every((name) =>
        QUANTITIES.has(key)
          ? sameQuantity(wanted[name], live[name])
          : isSubset(wanted[name], live[name], strict, name),
      ) &&
      (!strict || Object.keys(live).every((name) => name in wanted))
    );
  }
  return wanted === live;
}

/** The API server leaves out what is empty, 0 or false where that is what absence means. */
function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isValues(value)) return Object.keys(value).length === 0;
  return value === undefined || value === false || value === 0 || value === '';
}

function sameQuantity(wanted: unknown, live: unknown): boolean {
  if (wanted === live) return true;
  try {
    return parseQuantity(String(wanted)) === parseQuantity(String(live));
  } catch {
    return false;
  }
}

/** `live` without keys and named list items that are not wanted; other differences are left for applying. */
function prune(
  wanted: unknown,
  live: unknown,
  exact: boolean,
  removed: { count: number },
  key = '',
): unknown {
  if (Array.isArray(wanted) && Array.isArray(live)) return pruneList(wanted, live, exact, removed);
  if (!isValues(wanted) || !isValues(live)) return live;
  const strict = exact || EXACT.has(key);
  const kept = Object.entries(live).filter(([name]) => {
    const keep = !strict || name in wanted;
    if (!keep) removed.count += 1;
    return keep;
  });
  return Object.fromEntries(
    kept.map(([name, value]) => [
      name,
      name in wanted ? prune(wanted[name], value, strict, removed, name) : value,
    ]),
  );
}

function pruneList(
  wanted: unknown[],
  live: unknown[],
  exact: boolean,
  removed: { count: number },
): unknown[] {
  const names = new Map(wanted.flatMap((item) => (isNamed(item) ? [[item.name, item] as const] : [])));
  // Only lists whose items have names are merged by the API server; others are replaced whole.
  if (names.size !== wanted.length || (wanted.length === 0 && !live.every(isNamed))) return live;
  return live.flatMap((item) => {
    const match = isNamed(item) ? names.get(item.name) : undefined;
    if (match === undefined) {
      removed.count += 1;
      return [];
    }
    return [prune(match, item, exact, removed)];
  });
}

function isNamed(item: unknown): item is { name: string } {
  return isValues(item) && typeof item['name'] === 'string';
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
