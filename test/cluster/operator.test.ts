import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import { signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import type { Principal } from '../../contracts/principal.ts';
import { childName, SERVICE_PORT } from '../../contracts/workload.ts';
import { file as keyFile } from '../../control-plane/keys/keys.ts';
import { until } from '../support/program.ts';
import { DMZ, type InstalledChart, installChart, SYSTEM } from './chart.ts';
import { productImages } from './images.ts';
import * as scene from './operator-scene.ts';
import { connectScript, foreignKubeconfig, isRefused, openTestCluster, type TestCluster } from './testing.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const NAMESPACE = 'tenant-demo';
const CHILD = childName('cutout');
const WALLS = [CHILD, 'imageplane-default-deny'] as const;
const LIMIT_MS = 120_000;
const OPERATOR = 'app.kubernetes.io/name=operator';
/** Of the services that fail: without their model no pod is made. */
const WITHOUT_POD = 1;
const TIMEOUT = '--timeout=240s';
const PICTURE = { width: 512, height: 512, hasAlpha: true, format: 'png' };

interface PodItem {
  metadata: { name: string; uid: string };
  status: { podIP?: string; phase: string; containerStatuses?: { restartCount: number }[] };
}
interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

describe('the operator, on a cluster', { skip: foreignKubeconfig !== undefined }, () => {
  let cluster: TestCluster;
  let chart: InstalledChart;
  let key = '';
  let photo: Buffer;

  const json = async <T>(...given: string[]): Promise<T> =>
    JSON.parse(await cluster.kubectl(['get', ...given, '--output', 'json'])) as T;
  const pods = async (namespace: string, selector: string): Promise<PodItem[]> =>
    (await json<{ items: PodItem[] }>('pods', '--namespace', namespace, '--selector', selector)).items;
  const cutoutPod = async (): Promise<PodItem> => {
    const [pod, ...more] = await pods(NAMESPACE, 'imageplane.dev/service=cutout');
    assert.ok(pod !== undefined && more.length === 0);
    return pod;
  };
  const uids = async (namespace: string, selector: string): Promise<string[]> =>
    (await pods(namespace, selector)).map(({ metadata }) => metadata.uid);
  /** What would differ if any pod of a service had been replaced or its container restarted. */
  const running = async (): Promise<unknown[]> => {
    const found = [
      ...(await pods(NAMESPACE, 'imageplane.dev/service')),
      ...(await pods(scene.OTHER, 'imageplane.dev/service,imageplane.dev/service!=crash-loop')),
    ];
    return found
      .map(({ metadata, status }) => [metadata.uid, status.containerStatuses?.[0]?.restartCount])
      .toSorted();
  };
  const walls = async (): Promise<unknown[]> =>
    Promise.all(
      WALLS.map(async (name) => {
        const found = await cluster.attempt([
          ...['get', 'networkpolicy', name, '--namespace', NAMESPACE, '--output', 'jsonpath={.spec}'],
        ]);
        return found.code === 0 ? (JSON.parse(found.stdout) as unknown) : undefined;
      }),
    );
  const isReady = (kind: string, name: string, namespace: string): Promise<string> =>
    cluster.kubectl([
      ...['wait', '--for=condition=Ready', TIMEOUT, '--namespace', namespace, `${kind}/${name}`],
    ]);
  const cutout = async (): Promise<{ status: number; body: Buffer; type: unknown }> => {
    const answer = await chart.request('/s/demo/cutout/v1/cutouts', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'image/jpeg' },
      body: photo,
    });
    return {
      status: answer.statusCode,
      body: Buffer.from(await answer.body.arrayBuffer()),
      type: answer.headers['content-type'],
    };
  };
  /** The gateway hears of a pod with its next snapshot. */
  const cutOut = async (): Promise<Buffer> => {
    let answer = await cutout();
    await until(
      'the gateway passes the photo on',
      async () => {
        if (answer.status !== 503) return true;
        answer = await cutout();
        return answer.status !== 503;
      },
      LIMIT_MS,
    );
    assert.equal(answer.status, 200, answer.body.toString());
    assert.equal(answer.type, 'image/png');
    return answer.body;
  };
  /** From each namespace but the DMZ, what becomes of packets to port 7860 by address of pod and Service, and by name. */
  const reached = async (): Promise<Record<string, Record<string, string>>> => {
    const service = await json<{ spec: { clusterIP: string } }>('service', CHILD, '--namespace', NAMESPACE);
    const hosts = {
      pod: (await cutoutPod()).status.podIP ?? '',
      service: service.spec.clusterIP,
      name: `${CHILD}.${NAMESPACE}.svc`,
    };
    const script = connectScript(
      Object.fromEntries(Object.entries(hosts).map(([name, host]) => [name, [host, SERVICE_PORT] as const])),
    );
    const results: Record<string, Record<string, string>> = {};
    for (const namespace of scene.clientNamespaces)
      results[namespace] = JSON.parse(await cluster.runIn(namespace, 'client', script)) as Record<
        string,
        string
      >;
    return results;
  };
  const untilAll = async (what: string, is: (result: string) => boolean): Promise<void> => {
    let last: unknown;
    const all = async (): Promise<boolean> => {
      const results = await reached();
      last = results;
      return Object.values(results).every((targets) => Object.values(targets).every(is));
    };
    await until(what, all, LIMIT_MS).catch((error: unknown) => {
      throw new Error(`last seen: ${JSON.stringify(last)}`, { cause: error });
    });
  };

  before(async () => {
    photo = await readFile(join(EXAMPLES, 'photos', 'astronaut.jpg'));
    cluster = await openTestCluster('test-operator', { images: productImages, gpus: 1 });
    await cluster.apply(scene.weightsObjects(SYSTEM));
    const started = performance.now();
    chart = await installChart(cluster, { values: scene.modelFiles });
    console.log(`# installed in ${String(Math.round((performance.now() - started) / 1000))} s`);
  });
  after(async () => {
    await cluster.close();
  });

  it('makes tenant and service of the examples Ready, and a photo comes back through the gateway cut out', async () => {
    await cluster.apply([...scene.models, scene.otherTenant]);
    await cluster.kubectl(['apply', '--filename', join(EXAMPLES, 'tenant.yaml')]);
    await isReady('tenant', 'demo', 'default');
    await cluster.kubectl(['apply', '--filename', EXAMPLES]);
    await isReady('tenant', 'other', 'default');
    await cluster.apply(scene.clients());
    const applied = (): Promise<boolean> =>
      cluster.apply(scene.failingServices).then(
        () => true,
        () => false,
      );
    // The cluster's quota controller has to have heard of ImageServices first.
    await until('the services fit into their quota', applied, LIMIT_MS);
    await isReady('imageservice', 'cutout', NAMESPACE);
    key = await chart.firstKey('demo');
    const png = sharp(await cutOut());
    const { width, height, hasAlpha, format } = await png.metadata();
    assert.deepEqual({ width, height, hasAlpha, format }, PICTURE);
    assert.equal((await png.stats()).isOpaque, false);
  });

  it('shows by kubectl get what runs, why, what was charged and what of a quota is taken', async () => {
    const day = ['get', 'tenant', 'demo', '--output', 'jsonpath={.status.usage.day.requests}'];
    await until('the photo is counted', async () => Number(await cluster.kubectl(day)) > 0, LIMIT_MS);
    const table = await cluster.kubectl(['get', 'tenants,imageservices', '--all-namespaces']);
    const expected = [
      /NAME +PLAN +NAMESPACE +READY +REASON +TODAY +MONTH +AGE/,
      /tenant\.imageplane\.dev\/demo +enterprise +tenant-demo +True +Provisioned +[1-9]\d* +[1-9]\d* /,
      /NAMESPACE +NAME +ENGINE +MODEL +READY +REASON +REPLICAS +URL +AGE/,
      /tenant-demo +imageservice\.imageplane\.dev\/cutout +onnx +isnet-general-fp16 +True +Serving +1 +https:\/\/images\.test\/s\/demo\/cutout /,
    ];
    for (const line of expected) assert.match(table, line);
    const used = ['get', 'tenant', 'other', '--output', 'jsonpath={.status.quota}'];
    const quota = async (): Promise<boolean> => {
      const { services, used: taken } = JSON.parse(await cluster.kubectl(used)) as {
        services: number;
        used?: Record<string, string>;
      };
      return services === scene.failures.length && String(taken?.['nvidia.com/gpu']) === '2';
    };
    await until('the quota is counted', quota, LIMIT_MS);
    const wide = await cluster.kubectl(['get', 'tenants', 'other', '--output', 'wide']);
    assert.match(wide, /COMPUTE +GPUS/);
    assert.match(wide, /^other .* 2 +\S+$/m);
  });

  for (const { name, reason, says } of scene.failures)
    it(`gives ${reason} and the next action for the service ${name}`, async () => {
      const where = ['imageservice', name, '--namespace', scene.OTHER];
      let conditions: Condition[] = [];
      const stalls = async (): Promise<boolean> => {
        ({ conditions } = (await json<{ status: { conditions: Condition[] } }>(...where)).status);
        return conditions.some((one) => one.type === 'Stalled' && one.reason === reason);
      };
      await until(reason, stalls, LIMIT_MS).catch((error: unknown) => {
        throw new Error(JSON.stringify(conditions), { cause: error });
      });
      assert.match(conditions.find(({ type }) => type === 'Stalled')?.message ?? '', says);
      assert.equal(conditions.find(({ type }) => type === 'Ready')?.status, 'False');
    });

  it('starts a service once somebody runs the command that its message gives', async () => {
    const path = 'jsonpath={.status.conditions[?(@.type=="Stalled")].message}';
    const message = await cluster.kubectl([
      ...['get', 'imageservice', 'terms', '--namespace', scene.OTHER, '--output', path],
    ]);
    const command = /kubectl (annotate tenant other \S+)/.exec(message)?.[1] ?? '';
    await cluster.kubectl(command.split(' '));
    await isReady('imageservice', 'terms', scene.OTHER);
  });

  it('refuses packets from default, the tenant’s own and another tenant’s namespace, until its policies are lifted', async () => {
    for (const namespace of scene.clientNamespaces) await isReady('pod', 'client', namespace);
    await untilAll('all are refused', isRefused);
    const before = { pods: await running(), walls: await walls() };
    const operator = ['deployment/imageplane-operator', '--namespace', SYSTEM];
    await cluster.kubectl(['scale', '--replicas=0', ...operator]);
    await until('no operator runs', async () => (await uids(SYSTEM, OPERATOR)).length === 0, LIMIT_MS);
    await cluster.kubectl(['delete', 'networkpolicy', '--namespace', NAMESPACE, ...WALLS]);
    await untilAll('all get through', (result) => result === 'through');
    await cluster.kubectl(['scale', '--replicas=2', ...operator]);
    await untilAll('all are refused again', isRefused);
    assert.deepEqual(await walls(), before.walls);
    assert.deepEqual(await running(), before.pods);
    await cutOut();
  });

  it('answers 401 to the DMZ without the gateway’s assertion, and with a stale, altered or replayed one', async () => {
    const { data } = await json<{ data: Record<string, string> }>(
      ...['secret', 'imageplane-gateway-keys', '--namespace', DMZ],
    );
    const jwk = JSON.parse(Buffer.from(data[keyFile.assertion] ?? '', 'base64').toString()) as {
      kid: string;
    };
    const signer = { kid: jwk.kid, privateKey: createPrivateKey({ key: jwk, format: 'jwk' }) };
    const target = '/v1/cutouts';
    const principal: Principal = {
      id: 'user:ada',
      tenant: 'demo',
      kind: 'user',
      name: 'Ada',
      department: '',
      role: 'developer',
    };
    const signed = (at: number, aud = 'demo/cutout'): string =>
      signAssertion({ aud, jti: newUuid(), htm: 'POST', htu: target, principal }, signer, new Date(at));
    const now = Date.now();
    const good = signed(now);
    const [head = '', claims = '', signature = ''] = signed(now).split('.');
    const raised = Buffer.from(claims, 'base64url').toString().replace('"developer"', '"tenant-admin"');
    const assertions = {
      missing: '',
      stale: signed(now - 300_000),
      altered: [head, Buffer.from(raised).toString('base64url'), signature].join('.'),
      elsewhere: signed(now, 'other/cutout'),
      good,
      replayed: good,
    };
    const url = `http://${(await cutoutPod()).status.podIP ?? ''}:${SERVICE_PORT}${target}`;
    const picture = await sharp(photo).resize(16, 16).png().toBuffer();
    const script = scene.assertionScript(url, header.assertion, assertions, picture);
    const printed = await cluster.runIn(DMZ, 'deployment/imageplane-gateway', script);
    assert.deepEqual(JSON.parse(printed), {
      missing: [401, 'assertion_missing'],
      stale: [401, 'assertion_expired'],
      altered: [401, 'assertion_invalid'],
      elsewhere: [401, 'assertion_wrong_audience'],
      good: [200, 'image/png'],
      replayed: [401, 'assertion_replayed'],
    });
  });

  const putBack = async (limitMs: number): Promise<void> => {
    const before = await walls();
    const open = JSON.stringify([{ op: 'replace', path: '/spec/ingress', value: [{}] }]);
    for (const name of WALLS) {
      const where = ['networkpolicy', name, '--namespace', NAMESPACE];
      const edited = ['--type=json', '--patch', open, '--output', 'jsonpath={.spec.ingress}'];
      assert.equal(await cluster.kubectl(['patch', ...where, ...edited]), '[{}]');
      const same = async (): Promise<boolean> => JSON.stringify(await walls()) === JSON.stringify(before);
      await until(`${name} is put back`, same, limitMs);
    }
  };

  it('puts a policy that was edited by hand back within 5 s', async () => {
    await putBack(5_000);
  });

  it('restarts no service on an upgrade of the chart that changes none', async () => {
    const before = await running();
    assert.equal(before.length, 1 + scene.failures.length - WITHOUT_POD - 1);
    const operators = await uids(SYSTEM, OPERATOR);
    await chart.upgrade({ ...scene.modelFiles, logLevel: 'debug' });
    for (const name of ['operator', 'api', 'model-store'])
      await cluster.kubectl([
        ...['rollout', 'status', '--namespace', SYSTEM, TIMEOUT, `deployment/imageplane-${name}`],
      ]);
    await chart.available();
    const stayed = async (): Promise<boolean> =>
      (await uids(SYSTEM, OPERATOR)).some((uid) => operators.includes(uid));
    await until('the operator is another', async () => !(await stayed()), LIMIT_MS);
    // The new operator has looked at everything by then, and works.
    await putBack(LIMIT_MS);
    await isReady('imageservice', 'cutout', NAMESPACE);
    await cutOut();
    assert.deepEqual(await running(), before);
  });

  it('empties a tenant that is deleted; uninstalled, leaves the others as they are, and installed again goes on', async () => {
    await cluster.kubectl(['delete', 'tenant', 'other', TIMEOUT]);
    assert.notEqual((await cluster.attempt(['get', 'namespace', scene.OTHER])).code, 0);
    const before = { pod: await cutoutPod(), walls: await walls() };
    await chart.uninstall();
    const gone = async (): Promise<boolean> =>
      (await pods(SYSTEM, '')).length + (await pods(DMZ, '')).length === 0;
    await until('its pods are gone', gone, LIMIT_MS);
    const kept = await cluster.kubectl([
      'get',
      'tenants,imageservices,clusterimagemodels',
      '-A',
      '-o',
      'name',
    ]);
    assert.deepEqual(kept.trim().split('\n').toSorted(), [
      'clusterimagemodel.imageplane.dev/isnet-general-fp16',
      'clusterimagemodel.imageplane.dev/no-file',
      'clusterimagemodel.imageplane.dev/other-bytes',
      'clusterimagemodel.imageplane.dev/terms',
      'imageservice.imageplane.dev/cutout',
      'tenant.imageplane.dev/demo',
    ]);
    const { metadata, status } = await cutoutPod();
    assert.deepEqual([metadata.uid, status.phase], [before.pod.metadata.uid, 'Running']);
    assert.deepEqual(await walls(), before.walls);
    chart = await installChart(cluster, { values: scene.modelFiles });
    key = await chart.firstKey('demo');
    await isReady('imageservice', 'cutout', NAMESPACE);
    await cutOut();
    assert.equal((await cutoutPod()).metadata.uid, metadata.uid);
  });
});
