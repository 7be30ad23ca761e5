import assert from 'node:assert/strict';
import { errorBody } from '../../contracts/error.ts';
import { errorCodes, errorGroups } from '../../contracts/error-codes.ts';
import { described, errorsOf } from '../../control-plane/api/openapi.ts';
import type { Described } from '../../control-plane/api/operation.ts';

const all = described().map((operation) => ({
  operation,
  // `me` before `{id}`: what is written out is meant.
  pattern: new RegExp(`^${operation.path.replace(/\{\w+\}/g, '[^/]+')}$`),
}));

/** Codes that the gateway answers by itself, whatever is asked. */
const ofGateway = new Set<string>([
  ...Object.keys(errorGroups.http),
  ...Object.keys(errorGroups.credentials),
  ...Object.keys(errorGroups.service),
  'access_denied',
  'second_factor_required',
]);

function operationFor(method: string, path: string): Described | undefined {
  const name = path.split('?')[0] ?? '';
  const found = all.filter(
    ({ operation, pattern }) => operation.method === method.toLowerCase() && pattern.test(name),
  );
  return (found.find(({ operation }) => operation.path === name) ?? found[0])?.operation;
}

/**
 * Whether an answer of `/api/v1` or `/auth/token` is what the OpenAPI document promises: every test that asks the API
 * goes through here, so that a schema which no longer tells the truth fails one.
 */
export async function demandContract(method: string, path: string, response: Response): Promise<void> {
  const text = await response.clone().text();
  const { status } = response;
  const where = `${method} ${path} ${status}: ${text.slice(0, 500)}`;
  if (status >= 400) {
    const { error } = errorBody.parse(JSON.parse(text));
    assert.ok(Object.hasOwn(errorCodes, error.code), where);
    assert.equal(errorCodes[error.code as keyof typeof errorCodes].status, status, where);
    const operation = operationFor(method, path);
    const declared: readonly string[] = operation === undefined ? [] : errorsOf(operation);
    assert.ok(declared.includes(error.code) || ofGateway.has(error.code), `undeclared: ${where}`);
    return;
  }
  const operation = operationFor(method, path);
  assert.ok(operation !== undefined, `in no document: ${where}`);
  const schema = operation.answers[status];
  assert.ok(schema !== undefined, `undeclared: ${where}`);
  if (schema === null) assert.equal(text, '', where);
  else {
    const parsed = schema.safeParse(JSON.parse(text));
    assert.ok(parsed.success, `${where}\n${String(parsed.error?.message)}`);
  }
}
