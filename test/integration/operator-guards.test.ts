import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import type { Answer, ApiRequest, ApiServer } from '../apiserver/apiserver.ts';
import { messageOfAnswer, valueAt } from '../apiserver/install-crds.ts';
import { applyAt, pathIn } from '../support/guards.ts';
import { type Attack, attacks, guardOf, type Scene } from './guards/attacks.ts';
import { named, openStage, people, type Person, type Stage } from './guards/stage.ts';

const LIMIT_MS = 60_000;
const DOCUMENT = fileURLToPath(new URL('../../docs/reference/guards.md', import.meta.url));

let stage: Stage;
let server: ApiServer;
let scene: Scene;
let requests: Record<Person, ApiRequest>;
let suffix = '';
let adopted = '';
const table = new Map<Attack, Record<Person, string>>();
let count = 0;

before(async () => {
  stage = await openStage();
  ({ server, scene, requests, suffix, adopted } = stage);
  await untilGuarded();
});

after(async () => {
  await stage.close();
});

/** The API server takes up a policy some time after it was applied. */
async function untilGuarded(): Promise<void> {
  const tries: [string, Attack['attempt']][] = (
    [
      'create a pod',
      'exec in a pod',
      'create a second Service for the pods',
      "change the service's configuration",
      "ask for a token of the service's ServiceAccount",
      'create a RoleBinding to a bigger role',
      'raise the quota',
    ] as const
  ).map((name) => [name, attackOf(name).attempt]);
  const deadline = performance.now() + LIMIT_MS;
  for (const [name, attempt] of tries)
    for (;;) {
      count += 1;
      const guard = guardOf(await attempt(dryRun(requests.owner), scene, String(count)));
      if (guard.startsWith('policy ')) break;
      assert.ok(performance.now() < deadline, `after ${LIMIT_MS / 1000} s "${name}" is refused by ${guard}`);
      await sleep(100);
    }
  for (;;) {
    const guard = guardOf(await relabel(dryRun(await clusterUser())));
    if (guard === 'policy imageplane-namespaces') return;
    assert.ok(performance.now() < deadline, `after ${LIMIT_MS / 1000} s relabelling is refused by ${guard}`);
    await sleep(100);
  }
}

function attackOf(name: string): Attack {
  const attack = attacks.find((candidate) => candidate.name === name);
  assert.ok(attack, name);
  return attack;
}

/** Nothing is stored. Connections know no dry run, and lead nowhere here, where no pod runs. */
function dryRun(request: ApiRequest): ApiRequest {
  return (method, path, body, headers) => {
    const connects = /\/(exec|attach|portforward|proxy)(\/|\?|$)/.test(path);
    const query = connects ? '' : `${path.includes('?') ? '&' : '?'}dryRun=All`;
    return request(method, `${path}${query}`, body, headers);
  };
}

/** Somebody who may write namespaces in the whole cluster, and is not the platform for that. */
let namespaceWriter: ApiRequest | undefined;
async function clusterUser(): Promise<ApiRequest> {
  if (namespaceWriter !== undefined) return namespaceWriter;
  const user = `namespaces-${suffix}`;
  const path = '/apis/rbac.authorization.k8s.io/v1';
  const rules = [{ apiGroups: [''], resources: ['namespaces'], verbs: ['*'] }];
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  await applyAt(server.request, `${path}/clusterroles/${user}`, {
    ...named(apiVersion, 'ClusterRole', user),
    rules,
  });
  await applyAt(server.request, `${path}/clusterrolebindings/${user}`, {
    ...named(apiVersion, 'ClusterRoleBinding', user),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
  namespaceWriter = (await server.addUser(user)).request;
  return namespaceWriter;
}

/** Of a namespace that a tenant has adopted and no object of ours owns: its labels alone say whose it is. */
async function relabel(
  request: ApiRequest,
  labels: Record<string, string | null> = { 'imageplane.dev/zone': 'dmz' },
): Promise<Answer> {
  return request(
    'PATCH',
    pathIn('namespaces', undefined, adopted),
    { metadata: { labels } },
    { 'content-type': 'application/merge-patch+json' },
  );
}

describe('What a tenant may not do with kubectl', () => {
  for (const attack of attacks) {
    for (const person of Object.keys(people) as Person[])
      it(`${attack.name}: refused to the ${people[person]}`, async () => {
        count += 1;
        const answer = await attack.attempt(requests[person], scene, String(count));
        const guard = guardOf(answer);
        const row = table.get(attack) ?? { developer: '', admin: '', owner: '' };
        table.set(attack, { ...row, [person]: guard });
        if (attack.beyondAdmission !== undefined && person !== 'developer') return;
        assert.match(
          guard,
          /^(RBAC|schema|quota|Pod Security|policy imageplane-[a-z-]+)$/,
          messageOfAnswer(answer),
        );
        // A guard says why in words; an expression of its own would mean that it failed.
        assert.doesNotMatch(messageOfAnswer(answer), /failed expression|resulted in error|no such key/);
      });
    if (attack.forEverybody !== true)
      it(`${attack.name}: the platform administrator may`, async () => {
        count += 1;
        const answer = await attack.attempt(dryRun(server.request), scene, String(count));
        // A pod that never ran has nobody to connect to: that far the request must come.
        const guard = guardOf(answer);
        assert.ok(!/^(RBAC|policy)/.test(guard), messageOfAnswer(answer));
      });
  }

  it('somebody who writes namespaces cannot relabel, relax or delete that of a tenant, or make another DMZ', async () => {
    const request = await clusterUser();
    const policy = 'policy imageplane-namespaces';
    assert.equal(guardOf(await relabel(request)), policy);
    assert.equal(guardOf(await relabel(request, { 'imageplane.dev/tenant': null })), policy);
    assert.equal(guardOf(await relabel(request, { 'pod-security.kubernetes.io/enforce': null })), policy);
    assert.equal(guardOf(await request('DELETE', pathIn('namespaces', undefined, adopted))), policy);
    const fake = { metadata: { name: `fake-${suffix}`, labels: { 'imageplane.dev/zone': 'dmz' } } };
    assert.equal(guardOf(await request('POST', pathIn('namespaces'), fake)), policy);
    const harmless = { metadata: { name: `plain-${suffix}` } };
    assert.equal(
      (await request('POST', `${pathIn('namespaces')}?dryRun=All`, harmless)).status,
      201,
      'a namespace of nobody',
    );
    assert.equal(
      (
        await dryRun(request)(
          'PATCH',
          pathIn('namespaces', undefined, adopted),
          { metadata: { labels: { note: 'x' } } },
          { 'content-type': 'application/merge-patch+json' },
        )
      ).status,
      200,
      'a label of no importance',
    );
  });

  it('a developer edits the services and models of the tenant, and sees their pods', async () => {
    const request = requests.developer;
    const { namespace, service, pod } = scene;
    const merge = { 'content-type': 'application/merge-patch+json' };
    for (const [status, answer] of [
      [
        200,
        await request('PATCH', pathIn('imageServices', namespace, service), { spec: { replicas: 2 } }, merge),
      ],
      [200, await request('GET', pathIn('pods', namespace, pod))],
      [200, await request('GET', `/api/v1/namespaces/${namespace}/events`)],
      [200, await request('GET', pathIn('resourceQuotas', namespace, 'imageplane-quota'))],
      [
        201,
        await request('POST', pathIn('imageServices', namespace), {
          apiVersion: 'imageplane.dev/v1alpha1',
          kind: 'ImageService',
          metadata: { name: 'another' },
          spec: { engine: 'container', container: { image: 'registry.example/tool:1' } },
        }),
      ],
    ] as const)
      assert.equal(answer.status, status, messageOfAnswer(answer));
  });

  it('a field that would make a container privileged is dropped when kubectl is told not to check', async () => {
    const attempt = attackOf('run an ImageService with a privileged container').attempt;
    const lax: ApiRequest = (method, path, body, headers) =>
      requests.developer(method, path.replace('Strict', 'Ignore'), body, headers);
    const answer = await attempt(lax, scene, 'lax');
    assert.equal(answer.status, 201, messageOfAnswer(answer));
    assert.doesNotMatch(JSON.stringify(valueAt(answer.body, 'spec')), /privileged/);
  });

  it('networks and meshes may write annotations of pods, and nothing else of them', async () => {
    const { namespace, pod } = scene;
    const path = pathIn('pods', namespace, pod);
    const merge = { 'content-type': 'application/merge-patch+json' };
    const note = { metadata: { annotations: { 'network.example/address': '10.0.0.1' } } };
    const noted = await requests.owner('PATCH', path, note, merge);
    assert.equal(noted.status, 200, messageOfAnswer(noted));
    const label = { metadata: { labels: { extra: 'x' } } };
    assert.equal(guardOf(await requests.owner('PATCH', path, label, merge)), 'policy imageplane-workloads');
  });

  it('the operator may all that it does, by one permission, and not by its name', async () => {
    const user = `operator-${suffix}`;
    const base = '/apis/rbac.authorization.k8s.io/v1';
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    await applyAt(server.request, `${base}/clusterroles/${user}`, {
      ...named(apiVersion, 'ClusterRole', user),
      rules: [
        { apiGroups: ['imageplane.dev'], resources: ['tenants/children'], verbs: ['manage'] },
        { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['*'] },
      ],
    });
    await applyAt(server.request, `${base}/clusterrolebindings/${user}`, {
      ...named(apiVersion, 'ClusterRoleBinding', user),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    });
    const { request } = await server.addUser(user);
    const answer = await attackOf("change the service's NetworkPolicy").attempt(dryRun(request), scene, '0');
    assert.equal(answer.status, 200, messageOfAnswer(answer));
  });

  it('are written down in docs/reference/guards.md as they were found', async () => {
    const text = await documentOf();
    if (process.env['IMAGEPLANE_WRITE_DOCS'] === '1') await writeFile(DOCUMENT, text);
    const written = await readFile(DOCUMENT, 'utf8');
    assert.equal(
      written,
      text,
      'write it anew: IMAGEPLANE_WRITE_DOCS=1 node --test test/integration/operator-guards.test.ts',
    );
  });
});

async function documentOf(): Promise<string> {
  const cell = (attack: Attack, person: Person): string => {
    const guard = table.get(attack)?.[person] ?? '';
    const policy = /^policy (.+)$/.exec(guard)?.[1];
    if (policy !== undefined) return `policy \`${policy}\``;
    return guard === 'nothing' ? `**not refused**: ${attack.beyondAdmission ?? ''}` : guard;
  };
  const rows = attacks.map(
    (attack) =>
      `| ${attack.name} | ${(Object.keys(people) as Person[]).map((person) => cell(attack, person)).join(' | ')} |`,
  );
  const text = `# What a tenant may not do with kubectl

Made by \`test/integration/operator-guards.test.ts\`, which tries all of it on a real API server. Do not edit.

Each cell says what refused it: RBAC, the schema of our kinds, Pod Security, a quota, or one of the policies of \`operator/guards\`, which the chart installs. The first column is what the operator gives to people of a tenant; the other two are what somebody may have been given by mistake. Whoever may \`manage\` the subresource \`tenants/children\` of \`imageplane.dev\`, as the operator and cluster administrators may, is not held by the policies; neither are Kubernetes' own controllers and nodes.

| Attempt | ${Object.values(people).join(' | ')} |
| --- | --- | --- | --- |
${rows.join('\n')}

Admission does not see reads. A tenant's namespace holds copies of the registry credentials that the operator's configuration shares, so bind nobody there to a role that may read Secrets. No such binding can be made from inside: \`imageplane-role-bindings\` refuses it.

A ClusterImageModel that \`spec.models.allowed\` of the Tenant does not have can be named in an ImageService, since no policy sees two objects; the operator then starts no pod and says \`ModelNotAllowed\`.
`;
  return format(text, { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' });
}
