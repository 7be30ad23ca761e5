import { format, resolveConfig } from 'prettier';
import { type Crd, type Crds, type Json, KINDS, type Schema, schemaOf } from './crd.ts';

const introduction = `# Reference: the four kinds

Made by \`npm run generate\` from \`crds/*.yaml\`; do not edit. The API version is \`imageplane.dev/v1alpha1\`.

In the tables, \`[]\` is every item of a list and \`.*\` every value of a map. A field in **bold** must be written. What a table calls a quantity is one of Kubernetes, such as \`500m\` or \`4Gi\`.
`;

/** A page that says of every field what it is, what may be written, and what it is when nothing is written. */
export async function generateReference(crds: Crds, path: string): Promise<string> {
  const page = [introduction, ...KINDS.map((kind) => kindSection(crds[kind]))].join('\n');
  return format(page, { ...(await resolveConfig(path)), parser: 'markdown' });
}

function kindSection(crd: Crd): string {
  const { names, scope } = crd.spec;
  const schema = schemaOf(crd);
  const spec = schema.properties?.['spec'] ?? {};
  const status = schema.properties?.['status'] ?? {};
  return [
    `## ${names.kind}`,
    schema.description ?? '',
    `Scope: ${scope === 'Cluster' ? 'the whole cluster' : 'a namespace'}. With kubectl: \`${names.plural}\`, short \`${names.shortNames.join('`, `')}\`.`,
    `### Fields of ${names.kind}.spec`,
    table(['Field', 'Type', 'Default', 'Meaning'], fieldRows(spec, 'spec', [])),
    `### Rules of ${names.kind}`,
    table(['Where', 'What is refused, and what to write'], ruleRows(schema, '')),
    `### Fields of ${names.kind}.status`,
    table(
      ['Field', 'Type', 'Meaning'],
      fieldRows(status, 'status', []).map(([name, type, , meaning]) => [
        name ?? '',
        type ?? '',
        meaning ?? '',
      ]),
    ),
    `### Columns of \`kubectl get ${names.plural}\``,
    table(
      ['Column', 'Meaning', 'Shown'],
      crd.spec.versions[0].additionalPrinterColumns.map((column) => [
        column.name,
        column.description ?? 'Time since the object was made.',
        (column.priority ?? 0) === 0 ? 'always' : 'with `-o wide`',
      ]),
    ),
  ].join('\n\n');
}

function fieldRows(schema: Schema, path: string, rows: string[][]): string[][] {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.${name}`;
    const required = schema.required?.includes(name) === true;
    rows.push([
      required ? `**\`${at}\`**` : `\`${at}\``,
      typeText(property),
      property.default === undefined ? '' : `\`${defaultText(property.default)}\``,
      property.description ?? '',
    ]);
    innerRows(property, at, rows);
  }
  return rows;
}

function innerRows(schema: Schema, path: string, rows: string[][]): void {
  fieldRows(schema, path, rows);
  if (schema.items?.properties !== undefined) fieldRows(schema.items, `${path}[]`, rows);
  if (schema.additionalProperties?.properties !== undefined)
    fieldRows(schema.additionalProperties, `${path}.*`, rows);
}

function ruleRows(schema: Schema, path: string): string[][] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(({ message }) => [
    path === '' ? 'the object' : `\`${path}\``,
    message,
  ]);
  return [
    ...own,
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
      ruleRows(property, path === '' ? name : `${path}.${name}`),
    ),
    ...(schema.items === undefined ? [] : ruleRows(schema.items, `${path}[]`)),
    ...(schema.additionalProperties === undefined ? [] : ruleRows(schema.additionalProperties, `${path}.*`)),
  ];
}

function typeText(schema: Schema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'quantity';
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.type === 'array')
    return `list of ${schema.items === undefined ? 'anything' : typeText(schema.items)}${bounds(schema.minItems, schema.maxItems)}`;
  if (schema.additionalProperties !== undefined) return `map to ${typeText(schema.additionalProperties)}`;
  if (schema.type === 'integer' || schema.type === 'number')
    return `${schema.type}${bounds(schema.minimum, schema.maximum, schema.exclusiveMinimum)}`;
  if (schema.pattern !== undefined) return `string, \`${schema.pattern}\``;
  return schema.type ?? '';
}

function bounds(least: number | undefined, most: number | undefined, exclusive = false): string {
  const from = exclusive ? `above ${least ?? 0}` : String(least ?? 0);
  if (most !== undefined) return least === most ? `, ${most}` : `, ${from} to ${most}`;
  if (least === undefined) return '';
  return exclusive ? `, ${from}` : `, at least ${from}`;
}

function defaultText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map(cellText).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A bar would end the cell, also in code. */
function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
