import { setTimeout as sleep } from 'node:timers/promises';
import { API_VERSION, type Crd, type Json, type Kind, KINDS, readCrds } from '../../crds/crd.ts';
import type { Answer, ApiRequest } from './client.ts';

const LIMIT_MS = 60_000;
const POLL_MS = 50;

/** Path of the collection that objects of a kind are in, or of one object. */
export function pathOf(crd: Crd, namespace: string, name?: string): string {
  const { plural } = crd.spec.names;
  const folder = crd.spec.scope === 'Cluster' ? plural : `namespaces/${namespace}/${plural}`;
  return `/apis/${API_VERSION}/${folder}${name === undefined ? '' : `/${name}`}`;
}

/** What stands at a path of field names and list positions in a JSON value, or undefined. */
export function valueAt(value: Json, ...path: (string | number)[]): Json | undefined {
  let at: unknown = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at as Json | undefined;
}

/**
 * Applies our four definitions and waits until their objects are served.
 * @returns the kinds that were not there before.
 * @throws Error when the server refuses one.
 */
export async function installCrds(request: ApiRequest): Promise<Kind[]> {
  const crds = await readCrds();
  const added: Kind[] = [];
  for (const kind of KINDS) if ((await applyDefinition(request, crds[kind])) === 'added') added.push(kind);
  for (const kind of KINDS)
    await until(`${kind} is served`, async () => {
      const answer = await request('GET', `${pathOf(crds[kind], 'default')}?limit=1`);
      return answer.status === 200 || messageOfAnswer(answer);
    });
  return added;
}

/** Deletes the definition of a kind, and with it all of its objects, and waits until it is gone. */
export async function removeCrd(request: ApiRequest, crd: Crd): Promise<void> {
  await request('DELETE', definitionOf(crd));
  await until(`${crd.spec.names.kind} is gone`, async () => {
    const answer = await request('GET', definitionOf(crd));
    return answer.status === 404 || messageOfAnswer(answer);
  });
}

async function applyDefinition(request: ApiRequest, crd: Crd): Promise<'added' | 'changed'> {
  const path = `${definitionOf(crd)}?fieldManager=imageplane-test&force=true&fieldValidation=Strict`;
  let status = 0;
  await until(`${crd.spec.names.kind} is defined`, async () => {
    const answer = await request('PATCH', path, crd, { 'content-type': 'application/apply-patch+yaml' });
    if (answer.status !== 200 && answer.status !== 201)
      throw new Error(`${crd.spec.names.kind} was refused: ${messageOfAnswer(answer)}`);
    ({ status } = answer);
    // One that somebody deletes at this moment must go before it can come.
    return valueAt(answer.body, 'metadata', 'deletionTimestamp') === undefined || 'it is being deleted';
  });
  return status === 201 ? 'added' : 'changed';
}

function definitionOf({ spec }: Crd): string {
  return `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${spec.names.plural}.${spec.group}`;
}

/** Asks again until the probe gives true; anything else is why not yet. */
async function until(what: string, probe: () => Promise<true | string>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const problem = await probe();
    if (problem === true) return;
    if (performance.now() > deadline) throw new Error(`Not in ${LIMIT_MS / 1000} s: ${what} (${problem})`);
    await sleep(POLL_MS);
  }
}

/** What the API server says in an answer that is no success. */
export function messageOfAnswer({ status, body }: Answer): string {
  const message = valueAt(body, 'message');
  return `${status} ${typeof message === 'string' ? message : JSON.stringify(body)}`;
}
