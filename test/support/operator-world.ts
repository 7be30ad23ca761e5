/** An operator on a real API server, and the hands of those controllers that such a server has not. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import { childName } from '../../contracts/workload.ts';
import { createLogger } from '../../foundation/logger.ts';
import type { OperatorConfig } from '../../operator/config.ts';
import type { Deployment, KindName, Pod } from '../../operator/kinds.ts';
import { createOperator, type Operator } from '../../operator/operator.ts';
import { type Access, loadAccess } from '../../operator/runtime/access.ts';
import type { KubernetesObject } from '../../operator/runtime/types.ts';
import { type Answer, type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { installCrds, messageOfAnswer } from '../apiserver/install-crds.ts';
import { applyAt, installGuards, pathIn } from './guards.ts';
import { configOf } from './operator-objects.ts';
import { type RunningProgram, startProgram, until } from './program.ts';

export type Loose = KubernetesObject & { spec?: Record<string, unknown>; [field: string]: unknown };
export interface Conditioned extends KubernetesObject {
  status?: {
    observedGeneration?: number;
    conditions?: { type: string; status: string; reason: string; message: string }[];
    [field: string]: unknown;
  };
}

const MERGE = { 'content-type': 'application/merge-patch+json' };

export interface OperatorWorld {
  server: ApiServer;
  config: OperatorConfig;
  operator: () => Operator;
  /** Ends it, does what is to be done meanwhile, and starts another. */
  restart: (meanwhile?: () => Promise<void>) => Promise<void>;
  /** The operator as the process that the chart runs. */
  program: () => Promise<RunningProgram>;
  apply: (kind: KindName, object: Loose) => Promise<Loose>;
  get: <T extends KubernetesObject = Loose>(
    kind: KindName,
    namespace: string | undefined,
    name: string,
  ) => Promise<T | undefined>;
  list: (kind: KindName, namespace?: string) => Promise<Loose[]>;
  patch: (kind: KindName, namespace: string | undefined, name: string, body: unknown) => Promise<void>;
  remove: (kind: KindName, namespace: string | undefined, name: string) => Promise<void>;
  /** Waits for a condition of that reason, and answers its message. */
  reason: (
    kind: KindName,
    namespace: string | undefined,
    name: string,
    reason: string,
    type?: string,
  ) => Promise<string>;
  /** What the Deployment controller and a kubelet would do: a ReplicaSet and one pod with this status. */
  runPod: (
    namespace: string,
    service: string,
    status: Pod['status'],
    deploymentStatus?: Deployment['status'],
  ) => Promise<string>;
  /** All pods are ready, as the Deployment wants them. */
  rollOut: (namespace: string, service: string) => Promise<void>;
  /** What garbage collection would do once a Deployment is gone. */
  collect: (namespace: string, service: string) => Promise<void>;
  /** What the namespace controller would do. */
  finishNamespace: (name: string) => Promise<void>;
  close: () => Promise<void>;
}

const READY = [{ type: 'Ready', status: 'True' }];

/**
 * Starts an API server with our kinds, guards and roles, and an operator with the rights of operator/rbac.yaml alone,
 * which reaches it `through` something of the test's, if that is given.
 */
export async function openOperatorWorld(
  changes: Record<string, unknown> = {},
  through: (kubeconfig: string) => Promise<Access> = (kubeconfig) => Promise.resolve(loadAccess(kubeconfig)),
): Promise<OperatorWorld> {
  const server = await startApiServer();
  const { request } = server;
  await installCrds(request);
  await installGuards(request);
  const config = configOf(changes);
  const { systemNamespace, assertionJwks } = config;
  await applyAt(request, pathIn('namespaces', undefined, systemNamespace), {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: systemNamespace },
  });
  await applyAt(request, pathIn('configMaps', systemNamespace, assertionJwks.configMap), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: assertionJwks.configMap },
    data: { [assertionJwks.key]: '{"keys":[]}' },
  });
  const kubeconfig = await operatorUser(server, systemNamespace);
  const access = await through(kubeconfig);
  const start = async (): Promise<Operator> => {
    const operator = createOperator({
      config,
      access,
      logger: createLogger('operator', process.env['OPERATOR_LOG'] ?? 'silent'),
      identity: randomBytes(4).toString('hex'),
      now: () => new Date(),
    });
    await operator.manager.start();
    return operator;
  };
  let operator = await start();

  const get: OperatorWorld['get'] = async <T extends KubernetesObject>(
    kind: KindName,
    namespace: string | undefined,
    name: string,
  ) => {
    const answer = await request('GET', pathIn(kind, namespace, name));
    return answer.status === 404 ? undefined : (ok(answer).body as unknown as T);
  };
  const list: OperatorWorld['list'] = async (kind, namespace) =>
    (ok(await request('GET', pathIn(kind, namespace))).body as unknown as { items: Loose[] }).items;
  const patch: OperatorWorld['patch'] = async (kind, namespace, name, body) => {
    ok(await request('PATCH', pathIn(kind, namespace, name), body, MERGE));
  };
  const patchStatus = async (
    kind: KindName,
    namespace: string,
    name: string,
    status: unknown,
  ): Promise<void> => {
    ok(await request('PATCH', `${pathIn(kind, namespace, name)}/status`, { status }, MERGE));
  };
  const apply: OperatorWorld['apply'] = async (kind, object) => {
    const { namespace, name } = object.metadata;
    return (await applyAt(request, pathIn(kind, namespace, name), object)).body as unknown as Loose;
  };
  const deploymentOf = async (namespace: string, service: string): Promise<Deployment> => {
    const name = childName(service);
    let found: Deployment | undefined;
    await until(`the Deployment ${name}`, async () => {
      found = await get<Deployment>('deployments', namespace, name);
      return found !== undefined;
    });
    assert.ok(found);
    return found;
  };

  const runPod: OperatorWorld['runPod'] = async (namespace, service, status, deploymentStatus) => {
    const deployment = await deploymentOf(namespace, service);
    const hash = randomBytes(4).toString('hex');
    const revision = String(deployment.metadata.generation ?? 1);
    const labels = { ...deployment.spec.template.metadata?.labels, 'pod-template-hash': hash };
    const name = `${deployment.metadata.name}-${hash}`;
    const replicaSet = ok(
      await request('POST', pathIn('replicaSets', namespace), {
        metadata: {
          name,
          labels,
          annotations: { 'deployment.kubernetes.io/revision': revision },
          ownerReferences: [ownerOf(deployment)],
        },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: deployment.spec.template.spec },
        },
      }),
    ).body as unknown as KubernetesObject;
    const pod = `${name}-x`;
    const created = await request('POST', pathIn('pods', namespace), {
      metadata: { name: pod, labels, ownerReferences: [ownerOf(replicaSet)] },
      spec: deployment.spec.template.spec,
    });
    ok(created);
    await patchStatus('pods', namespace, pod, status);
    await patchStatus('deployments', namespace, deployment.metadata.name, {
      observedGeneration: deployment.metadata.generation,
      replicas: 1,
      updatedReplicas: 1,
      unavailableReplicas: 1,
      ...deploymentStatus,
    });
    return pod;
  };

  const collect: OperatorWorld['collect'] = async (namespace, service) => {
    for (const kind of ['replicaSets', 'pods'] as const)
      for (const { metadata } of await list(kind, namespace))
        if (metadata.labels?.['imageplane.dev/service'] === service)
          ok(await request('DELETE', `${pathIn(kind, namespace, metadata.name)}?gracePeriodSeconds=0`));
  };

  return {
    server,
    config,
    operator: () => operator,
    async restart(meanwhile) {
      await operator.manager.stop();
      await meanwhile?.();
      operator = await start();
    },
    async program() {
      // Forked processes take it over, as the pod's does its own.
      process.env['KUBECONFIG'] = kubeconfig;
      return startProgram('operator/main.ts', config).finally(() => {
        delete process.env['KUBECONFIG'];
      });
    },
    apply,
    get,
    list,
    patch,
    async remove(kind, namespace, name) {
      ok(await request('DELETE', pathIn(kind, namespace, name)));
    },
    async reason(kind, namespace, name, reason, type = 'Ready') {
      let last: Conditioned | undefined;
      const found = (): { reason: string; message: string } | undefined =>
        last?.status?.conditions?.find((condition) => condition.type === type);
      await until(`${kind} ${name} has the reason ${reason}`, async () => {
        last = await get<Conditioned>(kind, namespace, name);
        return found()?.reason === reason && last?.status?.observedGeneration === last?.metadata.generation;
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify(found())}`);
      });
      return found()?.message ?? '';
    },
    runPod,
    async rollOut(namespace, service) {
      const { spec } = await deploymentOf(namespace, service);
      const count = spec.replicas ?? 1;
      await runPod(
        namespace,
        service,
        { phase: 'Running', conditions: READY },
        {
          replicas: count,
          updatedReplicas: count,
          readyReplicas: count,
          availableReplicas: count,
          unavailableReplicas: 0,
        },
      );
    },
    collect,
    async finishNamespace(name) {
      await until(`the namespace ${name} is being deleted`, async () => {
        const namespace = await get('namespaces', undefined, name);
        return namespace?.metadata.deletionTimestamp !== undefined;
      });
      const namespace = await get('namespaces', undefined, name);
      ok(
        await request('PUT', `${pathIn('namespaces', undefined, name)}/finalize`, {
          ...namespace,
          spec: { finalizers: [] },
        }),
      );
    },
    async close() {
      await operator.manager.stop();
      await server.stop();
    },
  };
}

/** A user with what operator/rbac.yaml gives, and not a right more. */
async function operatorUser(server: ApiServer, systemNamespace: string): Promise<string> {
  const { request } = server;
  const group = 'rbac.authorization.k8s.io';
  const apiVersion = `${group}/v1`;
  const name = 'imageplane-operator';
  const text = await readFile(new URL('../../operator/rbac.yaml', import.meta.url), 'utf8');
  const subjects = [{ apiGroup: group, kind: 'User', name }];
  for (const document of parseAllDocuments(text)) {
    const role = document.toJS() as KubernetesObject;
    const cluster = role.kind === 'ClusterRole';
    const base = `/apis/${apiVersion}${cluster ? '' : `/namespaces/${systemNamespace}`}`;
    const metadata = cluster ? role.metadata : { ...role.metadata, namespace: systemNamespace };
    const plural = cluster ? 'clusterroles' : 'roles';
    await applyAt(request, `${base}/${plural}/${role.metadata.name}`, { ...role, metadata });
    await applyAt(request, `${base}/${cluster ? 'clusterrolebindings' : 'rolebindings'}/${name}`, {
      apiVersion,
      kind: `${role.kind}Binding`,
      metadata: { name },
      roleRef: { apiGroup: group, kind: role.kind, name: role.metadata.name },
      subjects,
    });
  }
  return (await server.addUser(name)).kubeconfig;
}

function ownerOf({ apiVersion, kind, metadata }: KubernetesObject): Record<string, unknown> {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true };
}

function ok(answer: Answer): Answer {
  assert.ok(answer.status < 300, messageOfAnswer(answer));
  return answer;
}
