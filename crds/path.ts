import type { Schema } from './crd.ts';

/** Where a value stands in an object: field names, and positions in lists. */
export type Path = readonly (string | number)[];

/** Writes a path as people do: `spec.files[0].sha256`, `spec.quota.requests["nvidia.com/gpu"]`. */
export function pathText(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** The schema of what stands at a path, or undefined where it says nothing. */
export function schemaAt(schema: Schema, path: Path): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const part of path) {
    if (at === undefined) return undefined;
    at = typeof part === 'number' ? at.items : (ownProperty(at.properties, part) ?? at.additionalProperties);
  }
  return at;
}

export function ownProperty<T>(record: Record<string, T> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Reads a JSON pointer; the schema tells a list position from a field whose name is a number. */
export function pathOfPointer(schema: Schema, pointer: string): Path {
  const path: (string | number)[] = [];
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path.push(schemaAt(schema, path)?.items === undefined ? key : Number(key));
  }
  return path;
}
