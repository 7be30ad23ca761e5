import { stringify } from 'yaml';
import { isSection, type JsonSchema } from './json-schema.ts';

const WIDTH = 110;
const HEAD = `# Made by \`npm run chart -- generate\` from charts/tools/values.ts; do not edit.
# docs/reference/values.md says the same as a table.
`;

/** values.yaml: every value with its default, and above it what it is for. */
export function valuesYaml(schema: JsonSchema): string {
  return `${HEAD}\n${section(schema, 0).join('\n')}\n`;
}

function section(schema: JsonSchema, depth: number): string[] {
  const indent = '  '.repeat(depth);
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => [
    ...(depth === 0 ? [''] : []),
    ...comment(property, indent),
    ...(isSection(property)
      ? [`${indent}${key}:`, ...section(property, depth + 1)]
      : value(key, property.default, indent)),
  ]);
}

function comment({ description = '', enum: allowed }: JsonSchema, indent: string): string[] {
  const named = allowed?.filter((one) => one !== '').map(String);
  const text = named === undefined ? description : `${description} One of ${named.join(', ')}.`;
  return wrap(text, WIDTH - indent.length - 2).map((line) => `${indent}# ${line}`);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function value(key: string, given: unknown, indent: string): string[] {
  const text = stringify({ [key]: given }, { singleQuote: true, lineWidth: 0 });
  return text
    .trimEnd()
    .split('\n')
    .map((line) => indent + line);
}
