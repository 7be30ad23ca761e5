import { isSection, type JsonSchema } from './json-schema.ts';

const HEAD = `# Reference: values of the chart

Made by \`npm run chart -- generate\` from \`charts/tools/values.ts\`; do not edit. \`helm show values charts/imageplane\` prints the same.
`;

/** A page with a table for each section: value, default, meaning. */
export function valuesPage(schema: JsonSchema): string {
  const top = Object.entries(schema.properties ?? {});
  const alone = top.filter(([, property]) => !isSection(property));
  return [
    HEAD,
    table(alone.map(([key, property]) => row(key, property))),
    ...top.flatMap(([key, property]) =>
      isSection(property) ? [`## ${key}`, property.description ?? '', table(rows(property, key))] : [],
    ),
  ]
    .join('\n\n')
    .concat('\n');
}

function rows(schema: JsonSchema, path: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const at = `${path}.${key}`;
    return isSection(property)
      ? [[`\`${at}\``, '', property.description ?? ''], ...rows(property, at)]
      : [row(at, property)];
  });
}

function row(path: string, schema: JsonSchema): string[] {
  return [
    `\`${path}\``,
    `\`${JSON.stringify(schema.default)}\``,
    (schema.description ?? '') + limits(schema),
  ];
}

function limits({ enum: allowed, minimum, maximum }: JsonSchema): string {
  if (allowed !== undefined)
    return ` One of ${allowed
      .filter((one) => one !== '')
      .map((one) => `\`${String(one)}\``)
      .join(', ')}.`;
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER) return '';
  return bounded ? ` From ${minimum} to ${maximum}.` : ` At least ${minimum}.`;
}

function table(body: string[][]): string {
  const line = (cells: string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(['Value', 'Default', 'Meaning']), line(['---', '---', '---']), ...body.map(line)].join('\n');
}
