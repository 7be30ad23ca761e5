import { readdir, readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import { type KindName, kinds } from '../../operator/kinds.ts';
import { apiVersionOf } from '../../operator/runtime/resources.ts';
import type { KubernetesObject, Resource } from '../../operator/runtime/types.ts';
import type { Answer, ApiRequest } from '../apiserver/apiserver.ts';
import { messageOfAnswer } from '../apiserver/install-crds.ts';

const folder = new URL('../../operator/guards/', import.meta.url);
const plurals: Record<string, string> = {
  ClusterRole: 'clusterroles',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};

/** Everything of operator/guards, as the chart installs it. */
export async function readGuards(): Promise<KubernetesObject[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort();
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')));
  return texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject),
  );
}

/** Applies operator/guards; gives back how to take away those that were not there. When they hold, only a try shows. */
export async function installGuards(request: ApiRequest): Promise<() => Promise<void>> {
  const guards = await readGuards();
  const pathOf = ({ apiVersion, kind, metadata }: KubernetesObject): string =>
    `/apis/${apiVersion}/${plurals[kind] ?? ''}/${encodeURIComponent(metadata.name)}`;
  const added: KubernetesObject[] = [];
  for (const guard of guards)
    if ((await applyAt(request, pathOf(guard), guard)).status === 201) added.push(guard);
  return async () => {
    for (const guard of added.toReversed()) await request('DELETE', pathOf(guard));
  };
}

/** Path of an object of a kind that the operator writes, or of what it is in. */
export function pathIn(kind: KindName, namespace?: string, name?: string): string {
  const resource: Resource = kinds[kind];
  const base = resource.group === '' ? '/api/v1' : `/apis/${apiVersionOf(resource)}`;
  const place = resource.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
  return `${base}${place}/${resource.plural}${name === undefined ? '' : `/${name}`}`;
}

/** Server-side apply with strict validation. @throws Error with the server's words when it is refused. */
export async function applyAt(request: ApiRequest, path: string, object: unknown): Promise<Answer> {
  const query = 'fieldManager=test&force=true&fieldValidation=Strict';
  const answer = await request('PATCH', `${path}?${query}`, object, {
    'content-type': 'application/apply-patch+yaml',
  });
  if (answer.status > 201) throw new Error(`PATCH ${path}: ${messageOfAnswer(answer)}`);
  return answer;
}
