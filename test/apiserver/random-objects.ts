import fc from 'fast-check';
import type { Json, JsonObject, Schema } from '../../crds/crd.ts';

/** Texts that stand at the border of some pattern or rule of ours, on either side. */
const texts = [
  ...[
    'a',
    'x-y',
    'a..b',
    'a b',
    'é',
    '\u{1F600}'.repeat(40),
    'a\n',
    'a'.repeat(64),
    'default',
    'kube-x',
    'Mon',
  ],
  ...['10.0.0.0/8', '10.0.0.1/33', '1.2.3.4/08', '010.0.0.1/8', '::/0', '2001:db8::1/64', 'ffff::/16'],
  ...['::ffff:1.2.3.4/120', '::ffff:102:304/120', '::ffff:0:1.2.3.4/96', 'fe80::1%eth0/64', '1::2::3/64'],
  ...['08:00', '24:00', 'UTC', 'Asia/Shanghai', 'UTC+8', 'MIT', 'model.onnx', '1g.10gb', '1g.10gb.me'],
  ...['https://h/p', 'https://u@h/p', 'https://h:99999/a', 'https://a/../b', 's3://bucket/k', 'file:///a'],
  ...['file:a', 'npm:a@1.2.3/x#y', 'npm:@s/p@1.0.0-rc.1/x', 'npm:a@1/x', 'nvidia.com/gpu', 'registry/x:1'],
  ...['http://127.0.0.1:80', 'http://localhost:1/', 'http://127.0.0.1.example:80'],
];
const quantities: Json[] = [
  ...[0, 1, '1', '0', '500m', '2Gi', '.5', '1.', '1e3', '1E2', '1e-2', '5E', '1k', '1n', '999999999999Ti'],
  ...['-1', '1.5.2', 'Gi', '1 Gi', '0.5'],
];
const keys = ['cpu', 'memory', 'ephemeral-storage', 'nvidia.com/gpu', 'zone', 'A/b', 'x.y/z'];
const strange: Json[] = [null, true, 0, -1, 1.5, '', 'x', [], {}, 1e20, '1', 2147483648];

/** A few fields of an object of that schema, to be put over a right one. */
export function randomChanges(schema: Schema): fc.Arbitrary<JsonObject> {
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) =>
    randomValue(property).map((value): JsonObject => ({ [name]: value })),
  );
  return fc
    .array(fc.oneof(...fields), { maxLength: 4 })
    .map((all) => Object.assign({}, ...all) as JsonObject);
}

/**
 * Values that a schema mostly allows: nearly every one has fields left out, some have a wrong type, a text that does not
 * fit or a number at the border.
 */
function randomValue(schema: Schema): fc.Arbitrary<Json> {
  return fc.oneof(
    { weight: 400, arbitrary: fittingValue(schema) },
    { weight: 1, arbitrary: fc.constantFrom(...strange) },
  );
}

function fittingValue(schema: Schema): fc.Arbitrary<Json> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return randomText(schema);
    case 'integer':
      return randomInteger(schema.minimum ?? 0, schema.maximum ?? 100);
    case 'number':
      return fc.constantFrom(0, 0.5, 1, 1e-9);
    case 'boolean':
      return fc.boolean();
    case 'array':
      return randomList(schema);
    case 'object':
      return randomObject(schema);
    case undefined:
      break;
  }
  return fc.constantFrom(...quantities);
}

function randomText({ pattern, maxLength = Infinity }: Schema): fc.Arbitrary<Json> {
  const expression = new RegExp(pattern ?? '');
  const fitting = texts.filter((text) => expression.test(text) && text.length <= maxLength);
  return fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom(...(fitting.length === 0 ? texts : fitting)) },
    { weight: 1, arbitrary: fc.constantFrom(...texts) },
  );
}

function randomInteger(minimum: number, maximum: number): fc.Arbitrary<Json> {
  return fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: minimum, max: maximum }) },
    { weight: 10, arbitrary: fc.constantFrom(minimum, maximum) },
    { weight: 1, arbitrary: fc.constantFrom(minimum - 1, maximum + 1) },
  );
}

function randomList({ items = {}, minItems = 0, maxItems = 2 }: Schema): fc.Arbitrary<Json> {
  return fc.array(randomValue(items), {
    minLength: minItems,
    maxLength: Math.max(minItems, Math.min(2, maxItems)),
  });
}

function randomObject(schema: Schema): fc.Arbitrary<Json> {
  if (schema.additionalProperties !== undefined) {
    const value = randomValue(schema.additionalProperties);
    return fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3, noNullPrototype: true });
  }
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const value = randomValue(property).map((one): [string, Json][] => [[name, one]]);
    return schema.required?.includes(name) === true ? value : fc.oneof(fc.constant([]), value);
  });
  return fc.tuple(...properties).map((fields) => Object.fromEntries(fields.flat()));
}
