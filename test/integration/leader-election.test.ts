import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { type FaultProxy, startFaultProxy } from '../support/api-faults.ts';
import { type CopyWorld, createCopyWorld } from '../support/copy-world.ts';
import { type RunningProgram, startProgram, until } from '../support/program.ts';

const LEASE = 'copy-operator';
const times = { leaseMs: 3000, renewMs: 2000, retryMs: 300 };

interface Replica {
  identity: string;
  /** Its own, so that its requests are known. */
  proxy: FaultProxy;
  program: RunningProgram;
  exited: Promise<number | null>;
}

let server: ApiServer;
let world: CopyWorld;
let replicas: Replica[] = [];
before(async () => {
  server = await startApiServer();
});
after(() => server.stop());
afterEach(async () => {
  for (const { program, proxy } of replicas) {
    if (program.child.exitCode === null && program.child.signalCode === null) await program.stop('SIGKILL');
    await proxy.stop();
  }
  replicas = [];
});

async function startReplica(identity: string): Promise<Replica> {
  const proxy = await startFaultProxy(server.kubeconfig);
  const { kubeconfig } = proxy;
  const config = { kubeconfig, namespace: world.namespace, identity, lease: LEASE, times };
  const program = await startProgram('test/support/copy-operator-main.ts', config);
  const exited = new Promise<number | null>((resolve) => program.child.once('exit', resolve));
  const replica = { identity, proxy, program, exited };
  replicas.push(replica);
  return replica;
}

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

async function leaseSpec(): Promise<LeaseSpec> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${world.namespace}/leases/${LEASE}`;
  const { body } = await server.request('GET', path);
  return (body as { spec?: LeaseSpec }).spec ?? {};
}

async function leads({ identity }: Replica): Promise<void> {
  await until(`${identity} leads`, async () => (await leaseSpec()).holderIdentity === identity);
}

/** A first replica that leads and a second that stands by, with a child made. */
async function startPair(): Promise<[Replica, Replica]> {
  world = await createCopyWorld(server);
  const first = await startReplica('first');
  await leads(first);
  const second = await startReplica('second');
  await until('the second has listed everything', () =>
    second.program.log().includes('everything is listed'),
  );
  await world.create('one', 'value');
  await world.converged();
  return [first, second];
}

function childWrites({ proxy }: Replica): number {
  return proxy.exchanges.filter(({ kind, path }) => kind === 'write' && path.includes('/configmaps')).length;
}

describe('two replicas of an operator', () => {
  it('have one leader, which alone writes, and a Lease that any Kubernetes client can read', async () => {
    const [first, second] = await startPair();
    const spec = await leaseSpec();
    assert.equal(spec.leaseDurationSeconds, 3);
    assert.equal(spec.leaseTransitions, 0);
    for (const time of [spec.acquireTime, spec.renewTime])
      assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await until('it is renewed', async () => (await leaseSpec()).renewTime !== spec.renewTime);
    assert.equal((await leaseSpec()).acquireTime, spec.acquireTime);
    assert.equal(childWrites(first), 1);
    assert.equal(childWrites(second), 0);
  });

  it('hand over at once when the leader is stopped, without waiting for the lease to end', async () => {
    const [first, second] = await startPair();
    const began = performance.now();
    assert.equal(await first.program.stop('SIGTERM'), 0);
    await leads(second);
    console.log(
      `handed over after ${Math.round(performance.now() - began)} ms of a ${times.leaseMs} ms lease`,
    );
    assert.equal((await leaseSpec()).leaseTransitions, 1);
    await world.create('two', 'value');
    await world.converged();
    assert.ok(performance.now() - began < times.leaseMs);
    assert.equal(childWrites(second), 1, 'what the first has done is not done again');
  });

  it('go on after the leader was killed, once its lease has ended', async () => {
    const [first, second] = await startPair();
    const killed = performance.now();
    await first.program.stop('SIGKILL');
    await world.create('two', 'value');
    await leads(second);
    // It was renewed at most a pause between tries before it was killed.
    assert.ok(performance.now() - killed > times.leaseMs - times.renewMs);
    await world.converged();
    const again = await startReplica('first-again');
    await until('the third has listed everything', () =>
      again.program.log().includes('everything is listed'),
    );
    await leads(second);
    assert.equal(childWrites(again), 0);
  });

  it('never both write: a leader that slept past its lease ends without one more write', async () => {
    const [first, second] = await startPair();
    first.program.child.kill('SIGSTOP');
    await world.create('two', 'value');
    await world.editChild('one', 'by hand');
    await leads(second);
    await world.converged();
    const before = first.proxy.exchanges.length;
    first.program.child.kill('SIGCONT');
    assert.equal(await first.exited, 1);
    assert.match(first.program.log(), /the lead is lost/);
    const writes = first.proxy.exchanges.slice(before).filter(({ kind }) => kind === 'write');
    assert.deepEqual(writes, []);
    await leads(second);
    await world.converged();
  });

  it('lose the leader when it cannot reach the API server, before the other takes over', async () => {
    const [first, second] = await startPair();
    await first.proxy.goAway();
    let led: number | undefined;
    const taken = leads(second).then(() => (led = performance.now()));
    assert.equal(await first.exited, 1);
    const ended = performance.now();
    await taken;
    assert.ok(led !== undefined && ended < led, `ended at ${ended}, the other led at ${String(led)}`);
    await world.create('two', 'value');
    await world.converged();
  });

  it('keep their leader through a short failure of the API server', async () => {
    const [first, second] = await startPair();
    const refused = first.proxy.inject({
      on: ({ path }) => path.includes('/leases/'),
      ...{ times: 2, fault: { kind: 'answer', status: 500 } },
    });
    await until('both failures were met', () => refused.hits === 2);
    await world.create('two', 'value');
    await world.converged();
    assert.equal((await leaseSpec()).holderIdentity, 'first');
    assert.equal(childWrites(second), 0);
  });
});
