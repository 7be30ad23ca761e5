/**
 * Would a server-side apply change anything? Compared on raw JSON, without managedFields and without a schema, so it is
 * careful: in doubt it answers no, and an apply that changes nothing costs one request and no write.
 */

/** Keys by which Kubernetes merges lists, by the name of the list. All other lists are replaced as a whole. */
const LIST_KEYS = new Map<string, readonly string[]>(
  Object.entries({
    conditions: ['type'],
    containers: ['name'],
    env: ['name'],
    hostAliases: ['ip'],
    imagePullSecrets: ['name'],
    initContainers: ['name'],
    ownerReferences: ['uid'],
    topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
    volumeDevices: ['devicePath'],
    volumeMounts: ['mountPath'],
    volumes: ['name'],
  }),
);
/** Lists of plain values that are sets. */
const SETS: ReadonlySet<string> = new Set(['finalizers']);
/** Ports of containers and of Services have different keys; those of NetworkPolicies none. */
const PORT_KEYS = new Map<string, readonly string[]>(
  Object.entries({
    containers: ['containerPort', 'protocol'],
    initContainers: ['containerPort', 'protocol'],
    spec: ['port', 'protocol'],
  }),
);
/** Maps that are replaced as a whole. */
const ATOMIC_MAPS: ReadonlySet<string> = new Set([
  'configMapKeyRef',
  'fieldRef',
  'labelSelector',
  'namespaceSelector',
  'nodeSelector',
  'podSelector',
  'resourceFieldRef',
  'roleRef',
  'scopeSelector',
  'secretKeyRef',
  'selector',
]);
/** What the server writes into parts that are replaced as a whole. */
const DEFAULTS = new Map<string, unknown>(
  Object.entries({ protocol: 'TCP', apiVersion: 'v1', expirationSeconds: 3600 }),
);
const RBAC_GROUP = 'rbac.authorization.k8s.io';
/** Maps whose values are quantities, and fields that are one. */
const QUANTITIES: ReadonlySet<string> = new Set([
  'default',
  'defaultRequest',
  'hard',
  'limits',
  'max',
  'maxLimitRequestRatio',
  'min',
  'requests',
]);
const QUANTITY_FIELDS: ReadonlySet<string> = new Set(['divisor', 'sizeLimit', 'storage']);

type Json = unknown;
type JsonObject = Record<string, Json>;

/** True when every field of `wanted` is in `live` with the same value, and nothing else where apply replaces the whole. */
export function carries(live: Json, wanted: Json): boolean {
  return carried(live, withEncodedData(wanted), []);
}

/** `stringData` of a Secret is never read back; the server keeps it as `data`. */
function withEncodedData(wanted: Json): Json {
  if (!isObject(wanted) || wanted['kind'] !== 'Secret' || !isObject(wanted['stringData'])) return wanted;
  const { stringData, data, ...rest } = wanted;
  const encoded: JsonObject = {};
  for (const [key, value] of Object.entries(stringData))
    encoded[key] = Buffer.from(String(value)).toString('base64');
  return { ...rest, data: { ...(isObject(data) ? data : {}), ...encoded } };
}

function carried(live: Json, wanted: Json, path: readonly string[]): boolean {
  if (wanted === undefined || wanted === null) return live === undefined || live === null;
  const name = path.at(-1) ?? '';
  if (Array.isArray(wanted)) return listCarried(live, wanted, path);
  if (!isObject(wanted)) return live === wanted || (isQuantity(path) && sameQuantity(live, wanted));
  if (!isObject(live)) return false;
  if (ATOMIC_MAPS.has(name)) return same(live, wanted, path);
  return Object.entries(wanted).every(([key, value]) => carried(own(live, key), value, [...path, key]));
}

function listCarried(live: Json, wanted: readonly Json[], path: readonly string[]): boolean {
  // The server keeps no empty list where the field may be left out.
  if (wanted.length === 0) return live === undefined || (Array.isArray(live) && live.length === 0);
  if (!Array.isArray(live)) return false;
  const values: readonly Json[] = live;
  const name = path.at(-1) ?? '';
  if (SETS.has(name)) return wanted.every((value) => values.includes(value));
  const keys = keysOf(path);
  if (keys === undefined) return same(values, wanted, path);
  return wanted.every((one) => {
    const found = values.filter((other) => keys.every((key) => keyValue(one, key) === keyValue(other, key)));
    return found.length === 1 && carried(found[0], one, path);
  });
}

function keysOf(path: readonly string[]): readonly string[] | undefined {
  const [parent = '', name = ''] = path.slice(-2);
  return name === 'ports' ? PORT_KEYS.get(parent) : LIST_KEYS.get(name);
}

function keyValue(element: Json, key: string): Json {
  return isObject(element) ? (element[key] ?? DEFAULTS.get(key)) : undefined;
}

/** Equal but for the server's defaults. */
function same(live: Json, wanted: Json, path: readonly string[]): boolean {
  if (Array.isArray(wanted)) {
    if (wanted.length === 0 && live === undefined) return true;
    if (!Array.isArray(live) || live.length !== wanted.length) return false;
    const values: readonly Json[] = live;
    return wanted.every((value, index) => same(values[index], value, path));
  }
  if (!isObject(wanted)) return live === wanted || (isQuantity(path) && sameQuantity(live, wanted));
  if (!isObject(live)) return false;
  return (
    Object.entries(wanted).every(([key, value]) =>
      value === undefined || value === null
        ? live[key] === undefined
        : same(live[key], value, [...path, key]),
    ) &&
    Object.entries(live).every(([key, value]) => Object.hasOwn(wanted, key) || isDefault(key, value, live))
  );
}

function isDefault(key: string, value: Json, of: JsonObject): boolean {
  if (key === 'apiGroup') return value === (of['kind'] === 'ServiceAccount' ? '' : RBAC_GROUP);
  return DEFAULTS.has(key) && DEFAULTS.get(key) === value;
}

function isQuantity(path: readonly string[]): boolean {
  const [parent = '', name = ''] = path.slice(-2);
  return QUANTITIES.has(parent) || QUANTITY_FIELDS.has(name);
}

const QUANTITY = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$/;
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY = 'KMGTPE';
/** Beyond any exponent that QUANTITY takes. */
const SCALE = 120;

/** `1` and `1000m` are one quantity. Exact. */
export function sameQuantity(a: unknown, b: unknown): boolean {
  const [first, second] = [parseExactly(a), parseExactly(b)];
  return first !== undefined && first === second;
}

/** In units of 10^-120. */
function parseExactly(value: unknown): bigint | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const match = QUANTITY.exec(String(value));
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  if (fraction.length > 18) return undefined;
  const binary = suffix.length === 2 && suffix.endsWith('i');
  const exponent = binary ? 0 : (DECIMAL[suffix] ?? Number(suffix.slice(1)));
  const digits = BigInt(whole + fraction) * 10n ** BigInt(SCALE + exponent - fraction.length);
  const scaled = binary ? digits * 1024n ** BigInt(BINARY.indexOf(suffix.charAt(0)) + 1) : digits;
  return sign === '-' ? -scaled : scaled;
}

/** Keys of data and labels can be any word, `constructor` too. */
function own(object: JsonObject, key: string): Json {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
