import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import {
  API_VERSION,
  type Json,
  type JsonObject,
  type Kind,
  KINDS,
  type Schema,
  schemaOf,
} from '../../crds/crd.ts';
import { pathText, schemaAt } from '../../crds/path.ts';
import { refusals } from '../../crds/refused-objects.ts';
import { serviceRefusals } from '../../crds/refused-services.ts';
import { type Refusal, type SampleName, samples } from '../../crds/sample-objects.ts';
import { createValidator, type Validate } from '../../crds/validation.ts';
import type { Answer } from '../apiserver/apiserver.ts';
import { type CrdWorld, kindOf, openCrdWorld } from '../apiserver/crd-world.ts';
import { messageOfAnswer, valueAt } from '../apiserver/install-crds.ts';
import { randomChanges } from '../apiserver/random-objects.ts';
import { checkout } from '../support/checkout.ts';

/** Of each sample. */
const RANDOM_OBJECTS = 200;

let world: CrdWorld;
let validate: Validate;
before(async () => {
  world = await openCrdWorld();
  validate = createValidator(world.crds);
  const { url, startMs } = world.server;
  console.log(startMs === undefined ? `on ${url}` : `etcd and kube-apiserver: ready after ${startMs} ms`);
});
after(async () => {
  await world.close();
});

interface Cause {
  reason: string;
  field: string;
  message: string;
}

/** What a refusal says, field by field. */
function causesOf({ body }: Answer): Cause[] {
  const causes = valueAt(body, 'details', 'causes');
  return Array.isArray(causes) ? (causes as unknown as Cause[]) : [];
}

function assertAccepted(answer: Answer): void {
  assert.ok(answer.status === 200 || answer.status === 201, messageOfAnswer(answer));
}

/**
 * Mistakes that a request cannot have: which namespace an object is in, and whether it is in one, is said by the URL.
 */
const impossible = ['a namespace of its own', 'no namespace'];

/** Mistakes that the API server meets before it looks at the schema: the field, and its words for them. */
const beforeTheSchema: Record<string, [field: string, words: string]> = {
  'a name in capitals': ['metadata.name', 'lower case alphanumeric characters'],
  'no name': ['metadata.name', 'name or generateName is required'],
  'a mistyped field': ['', 'unknown field "spec.limit"'],
  'another apiVersion': ['', 'ImageService in version "v1" cannot be handled'],
  'a kind of Kubernetes': ['', `does not match the expected API version (${API_VERSION})`],
  'a mistyped kind': ['kind', 'must be ImageService'],
};

/** The words of the API server for a value that a schema does not allow, one for each thing that the schema says. */
function wordsFor(schema: Schema): Record<string, string[]> {
  const { type, pattern, minimum, maximum, exclusiveMinimum, minItems, minLength } = schema;
  const bounds = [
    pattern === undefined ? undefined : `should match '${pattern}'`,
    minimum === undefined
      ? undefined
      : `greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`,
    maximum === undefined ? undefined : `less than or equal to ${maximum}`,
    minItems === undefined ? undefined : `at least ${minItems} items`,
    minLength === undefined ? undefined : `at least ${minLength} chars`,
  ];
  return {
    FieldValueRequired: ['Required value'],
    FieldValueNotSupported: [`supported values: ${(schema.enum ?? []).map((one) => `"${one}"`).join(', ')}`],
    FieldValueTypeInvalid: [`must be of type ${type ?? ''}`, `must be of type ${schema.format ?? ''}`],
    FieldValueDuplicate: ['Duplicate value: '],
    FieldValueInvalid: bounds.filter((words) => words !== undefined),
  };
}

function schemaOfField({ sample, field }: Refusal): Schema {
  const path = [...field.matchAll(/[^.[\]]+/g)].map(([part]) => (/^\d+$/.test(part) ? Number(part) : part));
  return schemaAt(schemaOf(world.crds[kindOf(sample)]), path) ?? {};
}

/** Whether the unit tests take these words from a rule: then the API server has them too. Else they are the validator's. */
function saidByARule(refusal: Refusal): boolean {
  const rules = schemaOfField(refusal)['x-kubernetes-validations'] ?? [];
  return rules.some(({ message }) => refusal.says.every((words) => message.includes(words)));
}

/** @throws AssertionError unless the refusal names the field and says what is allowed there. */
function assertSays(refusal: Refusal, answer: Answer): void {
  const { mistake, field, says } = refusal;
  const early = beforeTheSchema[mistake];
  const causes = causesOf(answer);
  const at = (name: string): Cause[] => causes.filter((cause) => cause.field === name);
  if (early !== undefined) {
    const [name, words] = early;
    const said =
      name === ''
        ? messageOfAnswer(answer)
        : at(name)
            .map(({ message }) => message)
            .join('\n');
    assert.ok(said.includes(words), messageOfAnswer(answer));
    return;
  }
  const schema = schemaOfField(refusal);
  const isOurs = saidByARule(refusal);
  // The root of an object has no name there.
  const here = at(field === '' ? '<nil>' : field);
  const words = wordsFor(schema);
  const found = here.some(({ reason, message }) =>
    isOurs
      ? says.every((one) => message.includes(one))
      : (words[reason] ?? []).some((one) => message.includes(one)),
  );
  assert.ok(
    found,
    `expected at ${field}: ${JSON.stringify(isOurs ? says : words)}; ${messageOfAnswer(answer)}`,
  );
}

describe('the definitions, on a real API server', () => {
  it('are established, with structural schemas and the names they ask for', async () => {
    for (const kind of KINDS) {
      const { group, names } = world.crds[kind].spec;
      const { body } = await world.server.request(
        'GET',
        `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${names.plural}.${group}`,
      );
      const conditions = valueAt(body, 'status', 'conditions') as unknown as {
        type: string;
        status: string;
      }[];
      const status = (type: string): string | undefined =>
        conditions.find((one) => one.type === type)?.status;
      assert.equal(status('Established'), 'True', kind);
      assert.equal(status('NamesAccepted'), 'True', kind);
      assert.equal(status('NonStructuralSchema'), undefined, kind);
    }
  });

  it('accept the examples and the catalogue as they stand', async () => {
    const files: string[] = [];
    for (const folder of ['examples', 'models'])
      for (const name of await readdir(join(checkout, folder)))
        if (name.endsWith('.yaml')) files.push(await readFile(join(checkout, folder, name), 'utf8'));
    const objects = files
      .flatMap((text) => parseAllDocuments(text))
      .map((document) => document.toJS() as JsonObject & { kind: Kind; metadata: Record<string, string> });
    for (const object of objects) {
      const { kind, metadata } = object;
      if (metadata['namespace'] !== undefined) metadata['namespace'] = world.namespace;
      const options = { dryRun: true, force: true };
      const answer = await world.apply(world.path(kind, metadata['name']), 'test', object, options);
      // Manifests that wait for `npm run models -- pin` are refused for the want of a digest.
      if (JSON.stringify(object).includes('"sha256"') || !kind.endsWith('ImageModel')) assertAccepted(answer);
      else assert.match(JSON.stringify(answer), /files\[0\]\.sha256: Required value/);
    }
    assert.ok(objects.length >= 4, `only ${objects.length} objects`);
  });

  it('put in the defaults that our own validator puts in', async () => {
    const more: [SampleName, Parameters<CrdWorld['sample']>[1]][] = [
      ['onnx', { 'spec.autoscaling': { maxReplicas: 3 }, 'spec.gpu': {}, 'spec.cache': {} }],
      ['onnx', { 'spec.scheduling': { tolerations: [{ key: 'gpu' }] } }],
      ['onnx', { 'spec.canary': { modelRef: { name: 'other' }, weight: 5 }, 'spec.queue': { depth: 1 } }],
      ['tenant', { 'spec.plan': null, 'spec.displayName': null, 'spec.content': {} }],
      ['tenant', { 'spec.access': { timeWindows: [{ days: ['Mon'], from: '08:00', to: '18:00' }] } }],
    ];
    const plain = (Object.keys(samples) as SampleName[]).map((name): [SampleName, object] => [name, {}]);
    for (const [name, changes] of [...plain, ...more]) {
      const object = world.sample(name, { 'metadata.name': world.name(), ...changes });
      const answer = await world.create(kindOf(name), object, 'dryRun');
      assertAccepted(answer);
      const ours = validate(structuredClone(object));
      assert.ok(ours.ok);
      assert.deepEqual(valueAt(answer.body, 'spec'), ours.object.spec, name);
    }
  });

  it('refuse every unknown field by its name when the client asks for strictness, as kubectl does', async () => {
    const object = world.sample('onnx', {
      'spec.replica': 2,
      'spec.queue': { dept: 3 },
      'spec.gpu': { cout: 1 },
    });
    const answer = await world.create('ImageService', object, 'dryRun');
    assert.equal(answer.status, 400);
    for (const field of ['spec.replica', 'spec.queue.dept', 'spec.gpu.cout'])
      assert.ok(messageOfAnswer(answer).includes(`unknown field "${field}"`), messageOfAnswer(answer));
  });
});

describe('an object that is wrong, sent to a real API server,', () => {
  const possible = [...refusals, ...serviceRefusals].filter(({ mistake }) => !impossible.includes(mistake));
  for (const refusal of possible)
    it(`is refused for ${refusal.mistake} (${refusal.sample}), and its sender is told what to write`, async () => {
      const object = world.sample(refusal.sample, refusal.changes);
      const answer = await world.create(kindOf(refusal.sample), object, 'dryRun');
      assert.ok(answer.status === 422 || answer.status === 400, messageOfAnswer(answer));
      assertSays(refusal, answer);
    });

  it('is so for at least 30 mistakes, and at least 30 sentences are our own', () => {
    const own = possible.filter(saidByARule);
    console.log(`${possible.length} mistakes refused, ${own.length} of them in our own sentences`);
    assert.ok(possible.length >= 30 && own.length >= 30);
  });
});

describe('our own validator', () => {
  /** What both say about one object: whether it is right, and, if so, its spec with defaults. */
  async function judge(
    name: SampleName,
    spec: Json,
  ): Promise<{ ours: Json | undefined; theirs: Json | undefined }> {
    const object = world.sample(name, { spec });
    const answer = await world.create(kindOf(name), object, 'dryRun');
    assert.ok([201, 400, 422].includes(answer.status), messageOfAnswer(answer));
    const result = validate(structuredClone(object));
    return {
      ours: result.ok ? (result.object.spec as unknown as Json) : undefined,
      theirs: answer.status === 201 ? valueAt(answer.body, 'spec') : undefined,
    };
  }

  for (const name of Object.keys(samples) as SampleName[])
    it(`accepts what the API server accepts, with the same defaults, and nothing else: ${name}`, async () => {
      const spec = schemaOf(world.crds[kindOf(name)]).properties?.['spec'] ?? {};
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(randomChanges(spec), async (changes) => {
          const { ours, theirs } = await judge(name, { ...samples[name].spec, ...changes });
          if (theirs !== undefined) accepted += 1;
          assert.deepEqual(ours, theirs);
        }),
        { numRuns: RANDOM_OBJECTS },
      );
      console.log(`${name}: ${RANDOM_OBJECTS} random objects, ${accepted} accepted by both`);
      assert.ok(accepted > RANDOM_OBJECTS / 10, 'hardly one was right');
    });

  it('takes the same texts for address blocks', async () => {
    const text = fc.constantFrom(
      '10.0.0.0/8',
      '2001:db8::/32',
      '::ffff:1.2.3.4/120',
      '::ffff:0:1.2.3.4/96',
      '::/0',
    );
    const edit = fc.record({
      at: fc.nat(),
      remove: fc.nat(2),
      put: fc.constantFrom(...'0123456789abcdefF:./% -+'.split('')),
    });
    const changed = fc.tuple(text, fc.array(edit, { maxLength: 3 })).map(([start, edits]) =>
      edits.reduce<string>((now, { at, remove, put }) => {
        const from = at % (now.length + 1);
        return now.slice(0, from) + put + now.slice(from + remove);
      }, start),
    );
    const refusedOf = (list: string[], fields: string[]): string[] =>
      list.filter((_, index) => fields.includes(`spec.access.allowedCIDRs[${index}]`));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(changed, { minLength: 100, maxLength: 100 }), async (allowedCIDRs) => {
        const object = world.sample('tenant', { 'spec.access': { allowedCIDRs } });
        const causes = causesOf(await world.create('Tenant', object, 'dryRun'));
        const result = validate(structuredClone(object));
        const problems = result.ok ? [] : result.problems.map(({ path }) => pathText(path));
        const ours = refusedOf(allowedCIDRs, problems);
        const theirs = refusedOf(
          allowedCIDRs,
          causes.map(({ field }) => field),
        );
        const onlyOne = [...ours, ...theirs].filter((one) => ours.includes(one) !== theirs.includes(one));
        assert.deepEqual(onlyOne, []);
      }),
      { numRuns: 10 },
    );
  });
});
