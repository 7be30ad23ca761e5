/** A namespace with sources that change, and what the copy operator has to have made of them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ApiServer } from '../apiserver/apiserver.ts';
import type { Answer } from '../apiserver/client.ts';
import { childName, type ConfigMap, type CopyOperator } from './copy-operator.ts';
import { until } from './program.ts';

export interface CopyWorld {
  namespace: string;
  create: (name: string, value: string) => Promise<void>;
  update: (name: string, value: string) => Promise<void>;
  remove: (name: string) => Promise<void>;
  /** As somebody would by hand. */
  editChild: (source: string, value: string) => Promise<void>;
  deleteChild: (source: string) => Promise<void>;
  /** All of the above, on sources whose names begin so. */
  churn: (prefix: string) => Promise<void>;
  /** Waits until the server has the right child for every source that it has. */
  converged: (limitMs?: number) => Promise<void>;
  /** Waits until the operator's stores hold what the server holds, to the version. */
  sameStores: (operator: CopyOperator, limitMs?: number) => Promise<void>;
  list: (role: 'source' | 'child') => Promise<ConfigMap[]>;
}

export async function createCopyWorld({ request }: ApiServer): Promise<CopyWorld> {
  const namespace = `copy-${randomBytes(4).toString('hex')}`;
  const base = `/api/v1/namespaces/${namespace}/configmaps`;
  const merge = { 'content-type': 'application/merge-patch+json' };
  await ok(request('POST', '/api/v1/namespaces', { metadata: { name: namespace } }));

  const world: Pick<CopyWorld, 'create' | 'update' | 'remove' | 'editChild' | 'deleteChild' | 'list'> = {
    async create(name, value) {
      const labels = { 'test.imageplane.dev/role': 'source' };
      await ok(request('POST', base, { metadata: { name, labels }, data: { value } }));
    },
    async update(name, value) {
      await ok(request('PATCH', `${base}/${name}`, { data: { value } }, merge));
    },
    async remove(name) {
      await ok(request('DELETE', `${base}/${name}`));
    },
    async editChild(source, value) {
      await ok(request('PATCH', `${base}/${childName(source)}`, { data: { value } }, merge));
    },
    async deleteChild(source) {
      await ok(request('DELETE', `${base}/${childName(source)}`));
    },
    async list(role) {
      const { body } = await ok(request('GET', `${base}?labelSelector=test.imageplane.dev/role%3D${role}`));
      return (body as unknown as { items: ConfigMap[] }).items;
    },
  };

  async function wrong(): Promise<string[]> {
    const children = new Map((await world.list('child')).map((child) => [child.metadata.name, child]));
    return (await world.list('source')).flatMap(({ metadata: { name, uid }, data }) => {
      const child = children.get(childName(name));
      if (child === undefined) return [`${name} has no child`];
      if (child.metadata.ownerReferences?.[0]?.uid !== uid) return [`${name}'s child has another owner`];
      return child.data?.['value'] === data?.['value'] ? [] : [`${name}'s child has other data`];
    });
  }

  return {
    namespace,
    ...world,
    async churn(prefix) {
      const names = Array.from({ length: 12 }, (_, index) => `${prefix}-${index}`);
      await Promise.all(names.map((name) => world.create(name, 'first')));
      await Promise.all(names.slice(0, 6).map((name) => world.update(name, 'second')));
      for (const name of names.slice(6, 9)) {
        await world.remove(name);
        await world.create(name, 'again');
      }
      await world.remove(`${prefix}-11`);
    },
    async converged(limitMs = 30_000) {
      let last: string[] = [];
      await until(
        'every source has its child',
        async () => (last = await wrong()).length === 0,
        limitMs,
      ).catch((error: unknown) => {
        assert.fail(`${String(error)}: ${last.join('; ')}`);
      });
    },
    async sameStores({ sources, children }, limitMs = 30_000) {
      const versions = (objects: ConfigMap[]): string =>
        objects
          .map(({ metadata: { uid, resourceVersion } }) => `${uid} ${resourceVersion}`)
          .sort()
          .join('\n');
      for (const [role, informer] of [
        ['source', sources],
        ['child', children],
      ] as const)
        await until(
          `the store of ${role} objects is like the server`,
          async () => versions(informer.list()) === versions(await world.list(role)),
          limitMs,
        );
    },
  };
}

async function ok(answer: Promise<Answer>): Promise<Answer> {
  const { status, body } = await answer;
  assert.ok(status < 300, `${status}: ${JSON.stringify(body)}`);
  return { status, body, headers: {} };
}
