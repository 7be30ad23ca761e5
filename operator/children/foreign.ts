import type { KubernetesObject } from '../runtime/types.ts';
import type { Child } from './child.ts';

type Values = Readonly<Record<string, unknown>>;

/** Kinds to which the API server adds fields of its own: there, only what stands under EXACT keys is ours alone. */
const defaulted = new Set(['deployments', 'services', 'serviceAccounts', 'namespaces']);
const IDENTITY = new Set(['apiVersion', 'kind', 'metadata']);
const EXACT = new Set(['matchLabels', 'nodeSelector', 'selector', 'labels']);

/**
 * The living child without what somebody added to it: a second container, a key of a quota. Server-side apply puts back
 * what was changed and leaves what was added, since that is not its own. Undefined when there is nothing to remove.
 */
export function withoutForeign(
  { kind, object }: Child,
  live: KubernetesObject,
): KubernetesObject | undefined {
  const exact = !defaulted.has(kind);
  const removed = { count: 0 };
  const result = { ...live } as KubernetesObject & Record<string, unknown>;
  for (const [key, wanted] of Object.entries(object))
    if (!IDENTITY.has(key) && key in result)
      result[key] = prune(wanted, result[key], { key, exact, removed });
  return removed.count === 0 ? undefined : result;
}

interface Place {
  key: string;
  exact: boolean;
  removed: { count: number };
}

/** `live` without keys and named list items that are not wanted; other differences are left for applying. */
function prune(wanted: unknown, live: unknown, place: Place): unknown {
  if (Array.isArray(wanted) && Array.isArray(live)) return pruneList(wanted, live, place);
  if (!isValues(wanted) || !isValues(live)) return live;
  const { removed } = place;
  const exact = place.exact || EXACT.has(place.key);
  const kept = Object.entries(live).filter(([name]) => {
    const keep = !exact || name in wanted;
    if (!keep) removed.count += 1;
    return keep;
  });
  return Object.fromEntries(
    kept.map(([name, value]) => [
      name,
      name in wanted ? prune(wanted[name], value, { key: name, exact, removed }) : value,
    ]),
  );
}

/** Only lists whose items have names are merged by the API server; others are replaced whole. */
function pruneList(wanted: unknown[], live: unknown[], place: Place): unknown[] {
  const names = new Map(wanted.flatMap((item) => (isNamed(item) ? [[item.name, item] as const] : [])));
  if (names.size !== wanted.length || !live.every(isNamed)) return live;
  return live.flatMap((item) => {
    const match = names.get(item.name);
    if (match !== undefined) return [prune(match, item, { ...place, key: '' })];
    place.removed.count += 1;
    return [];
  });
}

function isNamed(item: unknown): item is { name: string } {
  return isValues(item) && typeof item['name'] === 'string';
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
