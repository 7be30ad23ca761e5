import { isIPv4, isIPv6 } from 'node:net';
import { Environment } from '@marcbachmann/cel-js';
import { messageOf } from '../foundation/errors.ts';
import { isJsonObject, type Json, type Schema } from './crd.ts';
import { ownProperty, type Path } from './path.ts';
import { parseQuantity } from './quantity.ts';

/** What a rule made of a value: undefined when it holds, else the sentence to show, and whether it could be evaluated. */
type Evaluate = (self: unknown) => Verdict | undefined;

interface Verdict {
  message: string;
  evaluated: boolean;
}

interface CompiledSchema {
  rules: Evaluate[];
  properties: Map<string, CompiledSchema>;
  additional: CompiledSchema | undefined;
  items: CompiledSchema | undefined;
}

class Quantity {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** The language of x-kubernetes-validations, as far as our rules go: CEL and these functions of Kubernetes. */
const environment = new Environment()
  .registerVariable('self', 'dyn')
  .registerType('Quantity', Quantity)
  .registerFunction('quantity(string): Quantity', (text: string) => new Quantity(parseQuantity(text)))
  .registerFunction('Quantity.compareTo(Quantity): int', (a: Quantity, b: Quantity) =>
    BigInt(Math.sign(a.value - b.value)),
  )
  .registerFunction('isCIDR(string): bool', isCidr);

/** As the API server: Go's netip.ParsePrefix, without zones and IPv4-mapped addresses. */
export function isCidr(text: string): boolean {
  const slash = text.lastIndexOf('/');
  const address = text.slice(0, slash);
  const bits = text.slice(slash + 1);
  if (slash < 0 || !/^(0|[1-9][0-9]{0,2})$/.test(bits)) return false;
  if (isIPv4(address)) return Number(bits) <= 32;
  return isIPv6(address) && !address.includes('%') && !isMapped(address) && Number(bits) <= 128;
}

/** Whether an IPv6 address is an IPv4 address in ::ffff:0:0/96, in any spelling: URL gives it the shortest. */
function isMapped(address: string): boolean {
  return /^\[::ffff:[0-9a-f]+:[0-9a-f]+\]$/.test(new URL(`http://[${address}]`).hostname);
}

/** Compiles a schema's rules. Those that compare with `oldSelf` do not apply to a new object and are left out. */
export function compileRules(schema: Schema): CompiledSchema {
  const properties = Object.entries(schema.properties ?? {});
  return {
    rules: (schema['x-kubernetes-validations'] ?? [])
      .filter(({ rule }) => !/\boldSelf\b/.test(rule))
      .map(({ rule, message }) => compileRule(rule, message)),
    properties: new Map(properties.map(([key, property]) => [key, compileRules(property)])),
    additional:
      schema.additionalProperties === undefined ? undefined : compileRules(schema.additionalProperties),
    items: schema.items === undefined ? undefined : compileRules(schema.items),
  };
}

function compileRule(rule: string, message: string): Evaluate {
  const run = environment.parse(rule);
  return (self) => {
    try {
      return run({ self }) === true ? undefined : { message, evaluated: true };
    } catch (error) {
      const sentence = `the rule «${message}» could not be evaluated (${messageOf(error)})`;
      return { message: sentence, evaluated: false };
    }
  };
}

/** Every rule that does not hold, with the path of the value it stands at. */
export function brokenRules(value: Json, schema: Schema, compiled: CompiledSchema): BrokenRule[] {
  const broken: BrokenRule[] = [];
  walk({ value, schema, compiled, path: [] }, broken);
  return broken;
}

export interface BrokenRule extends Verdict {
  path: Path;
}

interface Place {
  value: Json;
  schema: Schema;
  compiled: CompiledSchema;
  path: Path;
}

function walk({ value, schema, compiled, path }: Place, broken: BrokenRule[]): void {
  if (compiled.rules.length > 0) {
    const self = toCel(value, schema);
    for (const evaluate of compiled.rules) {
      const verdict = evaluate(self);
      if (verdict !== undefined) broken.push({ path, ...verdict });
    }
  }
  if (Array.isArray(value) && schema.items !== undefined && compiled.items !== undefined) {
    for (const [index, child] of value.entries())
      walk({ value: child, schema: schema.items, compiled: compiled.items, path: [...path, index] }, broken);
  } else if (isJsonObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      const childSchema = ownProperty(schema.properties, key) ?? schema.additionalProperties;
      const childCompiled = compiled.properties.get(key) ?? compiled.additional;
      if (childSchema !== undefined && childCompiled !== undefined)
        walk({ value: child, schema: childSchema, compiled: childCompiled, path: [...path, key] }, broken);
    }
  }
}

/** Gives a value the types that the schema says: integers are bigint, objects are maps with escaped field names. */
function toCel(value: Json, schema: Schema | undefined): unknown {
  if (typeof value === 'number') {
    const isInteger = schema?.type === 'integer' || schema?.['x-kubernetes-int-or-string'] === true;
    return isInteger && Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map((child) => toCel(child, schema?.items));
  if (!isJsonObject(value)) return value;
  return new Map(
    Object.entries(value).map(([key, child]) => {
      const property = ownProperty(schema?.properties, key);
      return property === undefined
        ? [key, toCel(child, schema?.additionalProperties)]
        : [escapeField(key), toCel(child, property)];
    }),
  );
}

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Field names that CEL reserves are written `__name__` in rules. Ours need no other escape; a test checks it. */
function escapeField(name: string): string {
  return reserved.has(name) ? `__${name}__` : name;
}
