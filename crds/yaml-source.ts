import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseAllDocuments,
  Scalar,
  visit,
} from 'yaml';
import { messageOf } from '../foundation/errors.ts';
import type { Json } from './crd.ts';
import type { Path } from './path.ts';

export interface Position {
  line: number;
  column: number;
}

/** Something wrong with the text itself, before anything is known of its meaning. */
export interface TextProblem extends Position {
  message: string;
}

export interface YamlDocument {
  value: Json;
  /** Where a field's name or value stands; the nearest thing around it when it does not stand there itself. */
  positionOf(path: Path, at: 'key' | 'value'): Position;
}

const MAX_DOCUMENTS = 5_000;
const MAX_NODES = 500_000;
const MAX_DEPTH = 64;
const MAX_ALIASES = 100;

/**
 * Reads every document of a YAML text as the API server's tools do: YAML 1.2 with merge keys, no field twice. What
 * they would read otherwise than YAML 1.2 says (an unquoted `no`) is refused. Never throws.
 */
export function readYaml(text: string): { documents: YamlDocument[]; problems: TextProblem[] } {
  const lines = new LineCounter();
  const documents: YamlDocument[] = [];
  const problems: TextProblem[] = [];
  for (const parsed of parseDocuments(text, lines, problems)) {
    const faults = [...parsed.errors, ...parsed.warnings];
    if (faults.length > 0) {
      for (const fault of faults)
        problems.push({ ...position(lines, fault.pos[0]), message: `not valid YAML: ${fault.message}` });
      continue;
    }
    if (parsed.contents === null || (isScalar(parsed.contents) && parsed.contents.value === null)) continue;
    problems.push(...ambiguousWords(parsed, lines));
    try {
      const value = plainJson(parsed.toJS({ maxAliasCount: MAX_ALIASES }), { left: MAX_NODES });
      documents.push({ value, positionOf: (path, at) => locate(parsed, lines, path, at) });
    } catch (error) {
      problems.push({ ...position(lines, parsed.range[0]), message: `cannot be read: ${messageOf(error)}` });
    }
  }
  return { documents, problems };
}

function parseDocuments(text: string, lines: LineCounter, problems: TextProblem[]): Document.Parsed[] {
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      merge: true,
      logLevel: 'error',
    });
    if (!Array.isArray(parsed)) return [];
    if (parsed.length <= MAX_DOCUMENTS) return parsed;
    problems.push({
      line: 1,
      column: 1,
      message: `has more than ${MAX_DOCUMENTS} documents; split the file`,
    });
  } catch (error) {
    // The parser recurses, and text that nests deep enough ends its stack.
    problems.push({ line: 1, column: 1, message: `cannot be read as YAML: ${messageOf(error)}` });
  }
  return [];
}

/** A copy of its own in place of what aliases share, bounded, with JSON's types only. */
function plainJson(value: unknown, nodes: { left: number }, depth = 0): Json {
  if (--nodes.left < 0) throw new Error(`more than ${MAX_NODES} values; write fewer, or use fewer aliases`);
  if (depth > MAX_DEPTH) throw new Error(`nested more than ${MAX_DEPTH} levels deep`);
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value;
  if (Array.isArray(value)) return value.map((child: unknown) => plainJson(child, nodes, depth + 1));
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(
      Object.entries(value).map(([key, child]) => [key, plainJson(child, nodes, depth + 1)]),
    );
  throw new Error('a value that JSON does not have; write text, numbers, true, false, lists and fields');
}

const yes = /^(y|Y|yes|Yes|YES|on|On|ON)$/;
const no = /^(n|N|no|No|NO|off|Off|OFF)$/;
const otherNumber = /^[-+]?(0[0-9_]+|[0-9][0-9]*_[0-9_]*)$/;

/** Kubernetes' tools read YAML 1.1 here. Whoever writes such a word means one of the two; the file must say which. */
function ambiguousWords(document: Document.Parsed, lines: LineCounter): TextProblem[] {
  const problems: TextProblem[] = [];
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || node.type !== Scalar.PLAIN || node.source === undefined) return;
      const { source } = node;
      const start = position(lines, node.range?.[0] ?? 0);
      if (yes.test(source) || no.test(source))
        problems.push({
          ...start,
          message: `Kubernetes reads an unquoted ${source} as ${yes.test(source) ? 'true' : 'false'}; write true or false, or the word in quotes`,
        });
      else if (otherNumber.test(source))
        problems.push({
          ...start,
          message: `Kubernetes and YAML 1.2 read ${source} as different numbers; write it without leading zeros and underscores, or in quotes`,
        });
    },
  });
  return problems;
}

function locate(document: Document.Parsed, lines: LineCounter, path: Path, at: 'key' | 'value'): Position {
  let node: unknown = document.contents;
  let start = startOf(node) ?? 0;
  for (const [depth, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const isLast = depth === path.length - 1;
    const next: { key: unknown; value: unknown } | undefined = child(node, part);
    if (next === undefined) break;
    const place = isLast && at === 'value' ? (startOf(next.value) ?? startOf(next.key)) : startOf(next.key);
    start = place ?? start;
    node = next.value;
  }
  return position(lines, start);
}

function child(node: unknown, part: string | number): { key: unknown; value: unknown } | undefined {
  if (isSeq(node) && typeof part === 'number') {
    const item = node.items[part];
    return item === undefined ? undefined : { key: item, value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item: Pair) => isScalar(item.key) && String(item.key.value) === String(part));
  return pair === undefined ? undefined : { key: pair.key, value: pair.value };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return line === 0 ? { line: 1, column: 1 } : { line, column: col };
}
