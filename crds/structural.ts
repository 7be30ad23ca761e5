import { isJsonObject, type Json, type JsonObject, type Schema } from './crd.ts';
import { ownProperty, type Path } from './path.ts';

/**
 * Fills in defaults, in place, as the API server does: a field with a default that is absent or null gets it, then a
 * null that no default replaced is dropped, and so on inside.
 */
export function applyDefaults(value: Json, schema: Schema): void {
  if (isJsonObject(value)) {
    defaultFields(value, schema);
    for (const [key, child] of Object.entries(value)) {
      const childSchema = ownProperty(schema.properties, key) ?? schema.additionalProperties;
      if (childSchema === undefined) continue;
      if (child === null) Reflect.deleteProperty(value, key);
      else applyDefaults(child, childSchema);
    }
  } else if (Array.isArray(value) && schema.items !== undefined) {
    for (const child of value) applyDefaults(child, schema.items);
  }
}

function defaultFields(value: JsonObject, schema: Schema): void {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue;
    if ((ownProperty(value, key) ?? null) === null) value[key] = structuredClone(property.default);
  }
}

/** Items of `set` and `map` lists that stand there twice: path of the second, and what names it. */
export function duplicates(
  value: Json,
  schema: Schema,
  path: Path = [],
): { path: Path; key: string; first: number }[] {
  if (isJsonObject(value))
    return Object.entries(value).flatMap(([key, child]) => {
      const childSchema = ownProperty(schema.properties, key) ?? schema.additionalProperties;
      return childSchema === undefined ? [] : duplicates(child, childSchema, [...path, key]);
    });
  if (!Array.isArray(value) || schema.items === undefined) return [];
  const { items } = schema;
  return [
    ...duplicatesHere(value, schema, path),
    ...value.flatMap((child, index) => duplicates(child, items, [...path, index])),
  ];
}

function duplicatesHere(
  list: Json[],
  schema: Schema,
  path: Path,
): { path: Path; key: string; first: number }[] {
  const type = schema['x-kubernetes-list-type'];
  if (type !== 'set' && type !== 'map') return [];
  const keys = schema['x-kubernetes-list-map-keys'];
  const seen = new Map<string, number>();
  return list.flatMap((item, index) => {
    const key = keyOf(item, keys);
    if (key === undefined) return [];
    const first = seen.get(key);
    if (first !== undefined) return [{ path: [...path, index], key, first }];
    seen.set(key, index);
    return [];
  });
}

function keyOf(item: Json, keys: string[] | undefined): string | undefined {
  if (keys === undefined) return JSON.stringify(item);
  if (!isJsonObject(item)) return undefined;
  return keys.map((key) => `${key} ${JSON.stringify(ownProperty(item, key) ?? null)}`).join(', ');
}
