import { isDeepStrictEqual } from 'node:util';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { API_VERSION, type Crds, type Kind, KINDS, type Schema, schemaOf } from './crd.ts';
import { toJsonSchema } from './json-schema.ts';
import { metadataSchema } from './metadata.ts';

const banner = `/* Made by \`npm run generate\` from the definitions beside this file. Do not edit. */

/* Objects as the API server and crds/load.ts give them: a field with a default is always there. */
`;

/** Schemas that get a name of their own wherever they stand. */
type Named = { name: string; schema: Schema }[];

/**
 * TypeScript types of the four kinds. Both kinds of model share one type of spec and of status.
 * @throws Error when the two kinds of model are not alike.
 */
export async function generateTypes(crds: Crds): Promise<string> {
  for (const part of ['spec', 'status'])
    if (!isDeepStrictEqual(propertyAt(crds, 'ImageModel', part), propertyAt(crds, 'ClusterImageModel', part)))
      throw new Error(`The ${part} of ImageModel and of ClusterImageModel differ; make them alike.`);
  const named = namedSchemas(crds);
  const definitions = Object.fromEntries([
    ...named.map(({ name, schema }) => [name, { title: name, ...typed(schema, named, true) }]),
    ...KINDS.map((kind) => [kind, kindSchema(crds, kind, named)]),
  ]) as Record<string, JSONSchema>;
  return compile(
    {
      title: 'ImageplaneObject',
      description: 'An object of any of the four kinds.',
      oneOf: KINDS.map((kind) => ({ $ref: `#/definitions/${kind}` })),
      definitions,
    },
    'ImageplaneObject',
    {
      bannerComment: banner,
      additionalProperties: false,
      ignoreMinAndMaxItems: true,
      style: { singleQuote: true, printWidth: 110 },
    },
  );
}

function namedSchemas(crds: Crds): Named {
  const at = (kind: Kind, ...path: string[]): Schema => propertyAt(crds, kind, ...path);
  return [
    { name: 'TenantSpec', schema: at('Tenant', 'spec') },
    { name: 'TenantStatus', schema: at('Tenant', 'status') },
    { name: 'ImageServiceSpec', schema: at('ImageService', 'spec') },
    { name: 'ImageServiceStatus', schema: at('ImageService', 'status') },
    { name: 'ImageModelSpec', schema: at('ImageModel', 'spec') },
    { name: 'ImageModelStatus', schema: at('ImageModel', 'status') },
    { name: 'ModelRef', schema: at('ImageService', 'spec', 'modelRef') },
    { name: 'ModelFile', schema: at('ImageModel', 'spec', 'files').items ?? {} },
    { name: 'ModelLicense', schema: at('ImageModel', 'spec', 'license') },
    { name: 'ModelPipeline', schema: at('ImageModel', 'spec', 'pipeline') },
    { name: 'Condition', schema: at('Tenant', 'status', 'conditions').items ?? {} },
    { name: 'ObjectMeta', schema: metadataSchema('Cluster') },
    { name: 'NamespacedObjectMeta', schema: metadataSchema('Namespaced') },
  ];
}

function propertyAt(crds: Crds, kind: Kind, ...path: string[]): Schema {
  return path.reduce<Schema>((schema, name) => schema.properties?.[name] ?? {}, schemaOf(crds[kind]));
}

function kindSchema(crds: Crds, kind: Kind, named: Named): Record<string, unknown> {
  const schema = schemaOf(crds[kind]);
  const properties: Record<string, Schema> = {
    ...schema.properties,
    apiVersion: { type: 'string', enum: [API_VERSION] },
    kind: { type: 'string', enum: [kind] },
    metadata: metadataSchema(crds[kind].spec.scope),
  };
  return {
    title: kind,
    ...typed({ ...schema, required: ['apiVersion', 'kind', 'metadata', 'spec'], properties }, named, true),
  };
}

/** JSON Schema for the compiler of types: named parts by reference, fields with a default required. */
function typed(schema: Schema, named: Named, isTop = false): Record<string, unknown> {
  const name = isTop ? undefined : nameOf(schema, named);
  if (name !== undefined) return { $ref: `#/definitions/${name}` };
  const { properties, items, additionalProperties } = schema;
  const withDefaults = Object.entries(properties ?? {})
    .filter(([, property]) => property.default !== undefined)
    .map(([key]) => key);
  return {
    ...toJsonSchema(schema),
    ...(properties === undefined
      ? {}
      : {
          required: [...new Set([...(schema.required ?? []), ...withDefaults])],
          properties: Object.fromEntries(
            Object.entries(properties).map(([key, property]) => [key, typed(property, named)]),
          ),
        }),
    ...(items === undefined ? {} : listOf(schema, typed(items, named))),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: typed(additionalProperties, named) }),
  };
}

/** A list of a fixed, small length is a tuple. */
function listOf(schema: Schema, item: Record<string, unknown>): Record<string, unknown> {
  const { minItems, maxItems } = schema;
  if (minItems === undefined || minItems !== maxItems) return { items: item };
  return { items: Array.from({ length: minItems }, () => item), additionalItems: false };
}

function nameOf(schema: Schema, named: Named): string | undefined {
  const bare = withoutDescription(schema);
  return named.find((candidate) => isDeepStrictEqual(withoutDescription(candidate.schema), bare))?.name;
}

function withoutDescription(schema: Schema): Schema {
  const bare = { ...schema };
  delete bare.description;
  return bare;
}
