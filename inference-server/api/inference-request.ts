import { z } from 'zod';
import { PRIORITIES, type NamedTensor, type Priority } from '../engine/engine.ts';
import { refusal, unsupportedField } from '../messages.ts';
import { parseJson } from './body.ts';
import { DATATYPES, tensorFromBinary, tensorFromJson } from './tensors.ts';

const parameters = z.record(z.string(), z.unknown());
const name = z.string('a name').min(1, 'a name').max(1024, 'a name');

export const requestInput = z.strictObject({
  name,
  shape: z.array(z.int('a whole number').min(0, '0…')).max(32),
  datatype: z.enum(DATATYPES, { error: DATATYPES.join(' | ') }),
  parameters: parameters.optional(),
  data: z.array(z.unknown()).optional(),
});
const requestOutput = z.strictObject({ name, parameters: parameters.optional() });

/** `POST /v2/models/{model}/infer`, with Triton's extension of binary data. */
export const inferenceRequest = z.strictObject({
  id: z.string('text').max(1024).optional(),
  parameters: parameters.optional(),
  inputs: z.array(requestInput).min(1).max(256),
  outputs: z.array(requestOutput).max(256).optional(),
});

export interface Inference {
  id: string | undefined;
  inputs: NamedTensor[];
  /** Which outputs are wanted; undefined for all. */
  outputs: string[] | undefined;
  /** Whether an output is wanted as binary data. */
  binary: (output: string) => boolean;
  priority: Priority | undefined;
  deadlineMs: number | undefined;
}

/**
 * Reads a request whose first `jsonLength` bytes are JSON and whose rest are the tensors' bytes, in their order.
 * @throws RequestError `malformed_json`, `field_invalid`, `field_unsupported`, `tensor_invalid`.
 */
export function readInference(body: Buffer, jsonLength: number): Inference {
  if (jsonLength > body.length)
    throw refusal('malformed_json', {
      problem: `its header says ${jsonLength} bytes, and the body has ${body.length}`,
    });
  const parsed = inferenceRequest.safeParse(parseJson(body.toString('utf8', 0, jsonLength)));
  if (!parsed.success) throw malformed(parsed.error);
  const request = parsed.data;
  const settings = readSettings(request.parameters ?? {});
  const binary = body.subarray(jsonLength);
  let at = 0;
  const inputs = request.inputs.map((input) => {
    const { binary_data_size: size, ...others } = input.parameters ?? {};
    refuseParameters(`inputs.${input.name}`, others);
    if (size === undefined) return fromJson(input);
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || at + size > binary.length)
      throw refusal('tensor_invalid', {
        field: input.name,
        problem: `binary_data_size is ${JSON.stringify(size)}, and ${binary.length - at} bytes are left`,
      });
    if (input.data !== undefined)
      throw refusal('tensor_invalid', { field: input.name, problem: 'it has data and binary_data_size' });
    at += size;
    return tensorFromBinary(input.name, input.datatype, input.shape, binary.subarray(at - size, at));
  });
  if (at !== binary.length)
    throw refusal('malformed_json', {
      problem: `${binary.length - at} bytes of binary data belong to no input`,
    });
  const repeated = inputs.find(
    (input, index) => inputs.findIndex((other) => other.name === input.name) < index,
  );
  if (repeated !== undefined) throw refusal('field_repeated', { field: `inputs.${repeated.name}` });
  const chosen = new Map(request.outputs?.map((output) => [output.name, outputIsBinary(output)]));
  return {
    id: request.id,
    inputs,
    outputs: request.outputs === undefined || request.outputs.length === 0 ? undefined : [...chosen.keys()],
    binary: (output) => chosen.get(output) ?? settings.binary,
    priority: settings.priority,
    deadlineMs: settings.deadlineMs,
  };
}

function fromJson({ name: input, datatype, shape, data }: z.output<typeof requestInput>): NamedTensor {
  if (data === undefined)
    throw refusal('field_missing', { field: `inputs.${input}.data`, expected: 'a list', instead: '' });
  return tensorFromJson(input, datatype, shape, data);
}

function outputIsBinary(output: z.output<typeof requestOutput>): boolean | undefined {
  const { binary_data: binary, ...others } = output.parameters ?? {};
  refuseParameters(`outputs.${output.name}`, others);
  return truthOf(`outputs.${output.name}.parameters.binary_data`, binary);
}

function truthOf(field: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw refusal('field_invalid', {
    field,
    allowed: 'true | false',
    found: JSON.stringify(value).slice(0, 80),
  });
}

/** What a request may say besides its tensors: binary outputs, and Triton's extension of scheduling. */
function readSettings(all: Record<string, unknown>): {
  binary: boolean;
  priority: Priority | undefined;
  deadlineMs: number | undefined;
} {
  const { binary_data_output: binary, priority = 0, timeout = 0, ...others } = all;
  refuseParameters('', others);
  // 0 is the default, and 1 comes first.
  const rank = wholeNumber('parameters.priority', priority, PRIORITIES.length);
  const microseconds = wholeNumber('parameters.timeout', timeout, Number.MAX_SAFE_INTEGER);
  return {
    binary: truthOf('parameters.binary_data_output', binary) ?? false,
    priority: PRIORITIES[rank - 1],
    deadlineMs: microseconds === 0 ? undefined : Math.max(1, Math.ceil(microseconds / 1000)),
  };
}

function wholeNumber(field: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw refusal('field_invalid', {
    field,
    allowed: most === Number.MAX_SAFE_INTEGER ? '0…' : `0…${most}`,
    found: JSON.stringify(value).slice(0, 80),
  });
}

export function refuseParameters(where: string, others: Record<string, unknown>): void {
  const [unknown] = Object.keys(others);
  if (unknown === undefined) return;
  const field = where === '' ? `parameters.${unknown}` : `${where}.parameters.${unknown}`;
  throw unsupportedField(field.slice(0, 200), 'no_parameter');
}

function malformed(error: z.ZodError): Error {
  const [issue] = error.issues;
  const path = issue?.path.map(String).join('.') ?? '';
  if (issue?.code === 'unrecognized_keys')
    return unsupportedField(
      [path, issue.keys[0]]
        .filter((part) => part !== '')
        .join('.')
        .slice(0, 200),
      'no_parameter',
    );
  return refusal('malformed_json', { problem: `${path === '' ? '' : `${path}: `}${issue?.message ?? ''}` });
}
