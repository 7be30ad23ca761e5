import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KINDS, readCrds, type Rule, type Schema, schemaOf } from './crd.ts';
import { createValidator } from './validation.ts';

const crds = await readCrds();

interface Field {
  path: string;
  schema: Schema;
}

function fieldsOf(schema: Schema, path: string): Field[] {
  const children: Field[] = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => fieldsOf(child, `${path}.${name}`)),
    ...(schema.items === undefined ? [] : fieldsOf(schema.items, `${path}[]`)),
    ...(schema.additionalProperties === undefined ? [] : fieldsOf(schema.additionalProperties, `${path}.*`)),
  ];
  return [{ path, schema }, ...children];
}

const fields = KINDS.flatMap((kind) => fieldsOf(schemaOf(crds[kind]), kind));
const rules = fields.flatMap(({ path, schema }) =>
  (schema['x-kubernetes-validations'] ?? []).map((rule) => ({ path, rule })),
);

function offending(test: (field: Field) => boolean): string[] {
  return fields.filter(test).map(({ path }) => path);
}

describe('the definitions', () => {
  it('explain every field', () => {
    assert.deepEqual(
      offending(({ path, schema }) => !path.endsWith('.metadata') && (schema.description ?? '').length < 4),
      [],
    );
  });

  it('give every field a type, as a structural schema must', () => {
    assert.deepEqual(
      offending(({ schema }) => schema.type === undefined && schema['x-kubernetes-int-or-string'] !== true),
      [],
    );
  });

  it('use no keyword that a structural schema forbids', () => {
    const text = JSON.stringify(crds);
    for (const keyword of [
      '"$ref"',
      '"additionalProperties":false',
      '"uniqueItems"',
      '"definitions"',
      '"nullable"',
    ])
      assert.ok(!text.includes(keyword), keyword);
  });

  it('use only formats that the API server knows', () => {
    assert.deepEqual(
      offending(
        ({ schema }) =>
          schema.format !== undefined && !['int32', 'int64', 'date-time'].includes(schema.format),
      ),
      [],
    );
  });

  it('bound every text, list and map of a spec, so that the cost of rules is bounded', () => {
    const isOpen = (schema: Schema): boolean =>
      (schema.type === 'string' && schema.enum === undefined && schema.maxLength === undefined) ||
      (schema.type === 'array' && schema.maxItems === undefined) ||
      (schema.additionalProperties !== undefined && schema.maxProperties === undefined);
    assert.deepEqual(
      offending(({ path, schema }) => path.includes('.spec') && isOpen(schema)),
      [],
    );
  });

  it('say how each list is merged, and require the keys of those merged by key', () => {
    const isWrong = ({ schema }: Field): boolean => {
      const type = schema['x-kubernetes-list-type'];
      const keys = schema['x-kubernetes-list-map-keys'] ?? [];
      if (schema.type !== 'array') return type !== undefined;
      if (type === 'map')
        return keys.length === 0 || !keys.every((key) => schema.items?.required?.includes(key));
      return type === undefined || keys.length > 0;
    };
    assert.deepEqual(offending(isWrong), []);
  });

  it('say with every rule what to write', () => {
    const vague = rules.filter(
      ({ rule }) => !/\b(write|remove|make)\b/.test((rule as Rule | { message?: string }).message ?? ''),
    );
    assert.deepEqual(vague, []);
    assert.ok(rules.length > 30);
  });

  it('have defaults that their own fields allow', () => {
    const wrong = fields.filter(({ schema }) => {
      if (schema.default === undefined) return false;
      if (schema.enum !== undefined) return !schema.enum.includes(schema.default as string);
      if (schema.type === 'integer')
        return (
          Number(schema.default) < (schema.minimum ?? 0) || Number(schema.default) > (schema.maximum ?? 0)
        );
      return typeof schema.default !== schema.type;
    });
    assert.deepEqual(wrong, []);
  });

  it('name fields that rules can name without escapes, but for reserved words', () => {
    assert.deepEqual(
      fields
        .flatMap(({ schema }) => Object.keys(schema.properties ?? {}))
        .filter((name) => !/^[a-z][A-Za-z0-9]*$/.test(name)),
      [],
    );
  });

  it('are compiled by the validator, every rule of them', () => {
    assert.equal(typeof createValidator(crds), 'function');
  });

  it('let kubectl scale an ImageService, and give every kind a status of its own', () => {
    for (const kind of KINDS) {
      const [version] = crds[kind].spec.versions as unknown as [{ subresources: Record<string, unknown> }];
      assert.deepEqual(version.subresources['status'], {});
      assert.equal(version.subresources['scale'] !== undefined, kind === 'ImageService');
    }
  });
});
