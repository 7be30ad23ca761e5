import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../support/program.ts';
import { DMZ, type InstalledChart, installChart, STRANGE_HOST, SYSTEM } from './chart.ts';
import { productImages } from './images.ts';
import {
  connectScript,
  foreignKubeconfig,
  isRefused,
  openTestCluster,
  scriptPod,
  type TestCluster,
} from './testing.ts';

/** What these tests are about; the operator has tests of its own. */
const PROGRAMS = ['postgres', 'api', 'model-store', 'gateway'];
const IDLE = 'setInterval(() => {}, 1000)';
const LIMIT_MS = 90_000;

const service = (name: string, port: number): readonly [string, number] => [`${name}.${SYSTEM}.svc`, port];
const CONNECT = connectScript({
  api: service('imageplane-api', 8080),
  snapshot: service('imageplane-api', 8081),
  intake: service('imageplane-api-intake', 8082),
  models: service('imageplane-model-store', 8080),
  postgres: service('imageplane-postgres', 5432),
});

interface Item {
  kind: string;
  metadata: { name: string; uid: string; namespace?: string };
  data?: Record<string, string>;
}

describe('the chart', { skip: foreignKubeconfig !== undefined }, () => {
  let cluster: TestCluster;
  let chart: InstalledChart;

  const items = async (kinds: string, namespace: string, selector?: string): Promise<Item[]> => {
    const given = ['get', kinds, '--namespace', namespace, '--output', 'json'];
    const text = await cluster.kubectl([
      ...given,
      ...(selector === undefined ? [] : ['--selector', selector]),
    ]);
    return (JSON.parse(text) as { items: Item[] }).items;
  };
  /** By program, the uids of its pods. */
  const pods = async (): Promise<Record<string, string[]>> => {
    const found: Record<string, string[]> = {};
    for (const name of PROGRAMS)
      found[name] = (
        await items('pods', name === 'gateway' ? DMZ : SYSTEM, `app.kubernetes.io/name=${name}`)
      ).map(({ metadata }) => metadata.uid);
    return found;
  };
  const keys = async (): Promise<Record<string, unknown>> => {
    const secrets = [...(await items('secrets', SYSTEM)), ...(await items('secrets', DMZ))];
    const ours = secrets.filter(({ metadata }) => metadata.name.startsWith('imageplane-'));
    return Object.fromEntries(ours.map(({ metadata, data }) => [metadata.name, data]));
  };
  const published = async (): Promise<string[]> => {
    const path = String.raw`jsonpath={.data.jwks\.json}`;
    const text = await cluster.kubectl([
      ...['get', 'configmap', 'imageplane-assertion-jwks', '--namespace', SYSTEM, '--output', path],
    ]);
    return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  };
  /** Every program answers for itself, and a stranger's key is refused by what the gateway knows. */
  const answers = async (): Promise<void> => {
    const health = await chart.request('/healthz');
    assert.deepEqual([health.statusCode, await health.body.json()], [200, { alive: true }]);
    const api = await chart.request('/api/v1/me', { headers: { authorization: 'Bearer ipk_no' } });
    await api.body.dump();
    assert.equal(api.statusCode, 401);
  };
  const reached = async (): Promise<Record<string, string>> =>
    JSON.parse(await cluster.runIn('default', 'client', CONNECT)) as Record<string, string>;

  before(async () => {
    cluster = await openTestCluster('test-chart', { images: productImages });
    await cluster.apply([scriptPod('default', 'client', IDLE)]);
    const started = performance.now();
    chart = await installChart(cluster, { wait: PROGRAMS });
    console.log(`# installed in ${String(Math.round((performance.now() - started) / 1000))} s`);
  });
  after(async () => {
    await cluster.close();
  });

  it('is installed by one command, under the strictest Pod Security, and answers over HTTPS by its name', async () => {
    await answers();
    const other = await chart.request('/healthz', { headers: { host: STRANGE_HOST } });
    await other.body.dump();
    assert.equal(other.statusCode, 421);
    for (const namespace of [SYSTEM, DMZ]) {
      const label = 'jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}';
      assert.equal(await cluster.kubectl(['get', 'namespace', namespace, '--output', label]), 'restricted');
    }
  });

  it('lets nobody in the cluster reach API, snapshot, intake, models or database, until its policies are lifted', async () => {
    await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=90s', 'pod/client']);
    const shut = ({ ...results }: Record<string, string>): boolean => Object.values(results).every(isRefused);
    await until('all are shut', async () => shut(await reached()), LIMIT_MS);
    await chart.upgrade({ networkPolicies: { enabled: false } });
    const open = (results: Record<string, string>): boolean =>
      Object.values(results).every((result) => result === 'through');
    await until('all are open', async () => open(await reached()), LIMIT_MS);
    await chart.upgrade({});
    await until('all are shut again', async () => shut(await reached()), LIMIT_MS);
    await chart.available(PROGRAMS);
    await answers();
  });

  it('restarts on an upgrade only what the upgrade changes, and makes no key anew', async () => {
    const before = { pods: await pods(), keys: await keys() };
    await chart.upgrade({});
    await chart.upgrade({ api: { unusedDays: 91 } });
    await cluster.kubectl([
      ...['rollout', 'status', '--namespace', SYSTEM, '--timeout=120s', 'deployment/imageplane-api'],
    ]);
    const { api: apiBefore, ...othersBefore } = before.pods;
    await until('the old pod is gone', async () => (await pods())['api']?.length === 1, LIMIT_MS);
    const { api: apiNow, ...othersNow } = await pods();
    assert.deepEqual(othersNow, othersBefore);
    assert.notDeepEqual(apiNow, apiBefore);
    assert.deepEqual(await keys(), before.keys);
    await chart.available(PROGRAMS);
    await answers();
  });

  it('rotates the key that gateways sign with in three upgrades', async () => {
    const [first] = await published();
    const step = async (assertion: string, count: number): Promise<string[]> => {
      await chart.upgrade({ keys: { assertion } });
      await until(`${assertion} is done`, async () => (await published()).length === count, LIMIT_MS);
      return published();
    };
    const both = await step('publish', 2);
    assert.equal(both[0], first);
    await chart.upgrade({ keys: { assertion: 'sign' } });
    await until('the new one signs', async () => (await published())[0] === both[1], LIMIT_MS);
    assert.deepEqual(await step('retire', 1), [both[1]]);
    await answers();
  });

  it('leaves, when it is uninstalled, definitions, keys and the DMZ’s namespace, and nothing else', async () => {
    const before = await keys();
    await chart.uninstall();
    const gone = async (): Promise<boolean> =>
      (await items('pods', SYSTEM)).length + (await items('pods', DMZ)).length === 0;
    await until('its pods are gone', gone, LIMIT_MS);
    const left = [
      ...(await items('all,pvc,networkpolicy,configmap,serviceaccount,role,rolebinding,pdb', SYSTEM)),
      ...(await items('all,pvc,networkpolicy,configmap,serviceaccount,role,rolebinding,pdb', DMZ)),
    ].map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    const clusters = new Set(['ConfigMap kube-root-ca.crt', 'ServiceAccount default']);
    assert.deepEqual(
      left.filter((one) => !clusters.has(one)),
      ['ConfigMap imageplane-assertion-jwks'],
    );
    const wide = 'clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding';
    const names = await cluster.kubectl(['get', wide, '--output', 'name']);
    assert.deepEqual(
      names.split('\n').filter((name) => /imageplane/.test(name) && !/network-policy/.test(name)),
      [],
    );
    const definitions = await cluster.kubectl(['get', 'crd', '--output', 'name']);
    assert.equal(definitions.match(/imageplane\.dev/g)?.length, 4);
    assert.deepEqual(await keys(), before);
    chart = await installChart(cluster, { wait: PROGRAMS });
    assert.deepEqual(await keys(), before);
    await answers();
  });
});
