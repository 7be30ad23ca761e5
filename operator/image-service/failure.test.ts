import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { serviceOf } from '../../test/support/operator-objects.ts';
import type { Deployment, Pod, ReplicaSet } from '../kinds.ts';
import { failureOf } from './failure.ts';

const deployment = (conditions: object[] = []): Deployment =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'imageplane-svc-cutout', namespace: 'tenant-demo', uid: 'deployment' },
    spec: {},
    status: { conditions },
  }) as unknown as Deployment;

const replicaSet = (hash: string, revision: string): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: {
    name: hash,
    labels: { 'pod-template-hash': hash },
    annotations: { 'deployment.kubernetes.io/revision': revision },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'x', uid: 'deployment' }],
  },
});

const pod = (status: object, hash = 'new', more: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'pod', namespace: 'tenant-demo', labels: { 'pod-template-hash': hash }, ...more },
  status,
});

const service = serviceOf('tenant-demo', 'cutout', { gpu: { count: 2, profile: '1g.10gb' } });
const observed = (pods: Pod[], conditions: object[] = []): Parameters<typeof failureOf>[0] => ({
  service,
  deployment: deployment(conditions),
  replicaSets: [replicaSet('old', '9'), replicaSet('new', '10')],
  pods,
});

const main = (state: object, lastState: object = {}): object => ({
  containerStatuses: [{ name: 'service', image: 'registry.example/x:1', restartCount: 4, state, lastState }],
});
const fetching = (state: object, lastState: object = {}): object => ({
  initContainerStatuses: [{ name: 'fetch-model', image: 'ours', restartCount: 1, state, lastState }],
});
const ended = (exitCode: number, message?: string, reason?: string): object => ({
  terminated: { exitCode, message, reason },
});
const waiting = (reason: string, message?: string): object => ({ waiting: { reason, message } });
const fetchSays = (reason: string): object =>
  fetching(waiting('CrashLoopBackOff'), ended(3, JSON.stringify({ reason, message: 'It says why.' })));
const unscheduled = (message: string): object => ({
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
});

const cases: [what: string, status: object, reason: string, says: RegExp][] = [
  [
    'another digest than the model names',
    fetchSays('DigestMismatch'),
    'ModelDigestMismatch',
    /sha256.*It says why/,
  ],
  ['weights that nobody has', fetchSays('NotFound'), 'ModelFileMissing', /Correct the source/],
  ['no room for the weights', fetchSays('NoSpace'), 'ModelTooLarge', /Free space/],
  ['a model store that does not answer', fetchSays('Unreachable'), 'ModelStoreUnreachable', /tries again/],
  ['versions that do not fit', fetchSays('Usage'), 'ModelFetchFailed', /one version/],
  [
    'an init container that only its log explains',
    fetching(ended(137, 'killed')),
    'ModelFetchFailed',
    /exit code 137.*-c fetch-model/,
  ],
  [
    'an image that cannot be pulled',
    main(waiting('ErrImagePull', 'no such tag')),
    'ImageUnavailable',
    /registry.example\/x:1.*no such tag/,
  ],
  ['an image name that is none', main(waiting('InvalidImageName')), 'ImageUnavailable', /name or tag/],
  [
    'our own image that cannot be pulled',
    fetching(waiting('ImagePullBackOff', 'denied')),
    'ImageUnavailable',
    /denied/,
  ],
  [
    'an image that runs as root',
    main(waiting('CreateContainerConfigError', 'container has runAsNonRoot and image will run as root')),
    'ImageRunsAsRoot',
    /USER 1000/,
  ],
  [
    'an image whose user is a word',
    main(waiting('CreateContainerConfigError', 'image has non-numeric user (app)')),
    'ImageRunsAsRoot',
    /USER 1000/,
  ],
  [
    'a program that is not in the image',
    main(waiting('CreateContainerError', 'exec: "x": not found')),
    'ContainerCannotStart',
    /spec.container/,
  ],
  [
    'too little memory',
    main(waiting('CrashLoopBackOff'), ended(137, undefined, 'OOMKilled')),
    'OutOfMemory',
    /limits.memory/,
  ],
  [
    'a crash loop',
    main(waiting('CrashLoopBackOff'), ended(1, 'no\nmodule')),
    'CrashLoop',
    /4 times.*exit code 1.*no module.*--previous/,
  ],
  ['a crash loop without last words', main(waiting('CrashLoopBackOff')), 'CrashLoop', /exit code unknown/],
  [
    'an eviction',
    { phase: 'Failed', reason: 'Evicted', message: 'low on disk' },
    'Evicted',
    /ephemeral-storage/,
  ],
  [
    'no free GPU',
    unscheduled('0/3 nodes: 3 Insufficient nvidia.com/mig-1g.10gb.'),
    'GPUUnavailable',
    /2 nvidia.com\/mig-1g.10gb/,
  ],
  ['no node that fits', unscheduled('0/3 nodes: 3 Insufficient memory.'), 'Unschedulable', /spec.resources/],
];

describe('Why pods do not come up', () => {
  for (const [what, status, reason, says] of cases)
    it(`is told of ${what}, with what to do`, () => {
      const verdict = failureOf(observed([pod(status)]));
      assert.equal(verdict?.reason, reason);
      assert.match(verdict.message, says);
      assert.equal(verdict.state, reason === 'ModelStoreUnreachable' ? 'progressing' : 'failed');
    });

  for (const [message, reason] of [
    ['pods "x" is forbidden: exceeded quota: imageplane-quota', 'QuotaExceeded'],
    ['pods "x" is forbidden: no PriorityClass with name high was found', 'PodRefused'],
  ] as const)
    it(`is told when the API server takes no pod: ${reason}`, () => {
      const condition = { type: 'ReplicaFailure', status: 'True', message };
      assert.equal(failureOf(observed([], [condition]))?.reason, reason);
    });

  it('is told when pods run and do not become ready in time', () => {
    const condition = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' };
    assert.equal(failureOf(observed([pod(main({ running: {} }))], [condition]))?.reason, 'NotReadyInTime');
  });

  it('is nothing while pods start, are ready, are leaving, or are of a former revision', () => {
    const broken = main(waiting('CrashLoopBackOff'));
    const ready = { ...broken, conditions: [{ type: 'Ready', status: 'True' }] };
    for (const one of [
      pod(main(waiting('ContainerCreating'))),
      pod(fetching({ running: {} })),
      pod(fetching(ended(0))),
      pod(ready),
      pod(broken, 'old'),
      pod(broken, 'new', { deletionTimestamp: '2026-11-24T12:00:00Z' }),
    ])
      assert.equal(failureOf(observed([one])), undefined);
    assert.equal(failureOf(observed([])), undefined);
  });

  it('is said in one bounded line, whatever a program writes at its end', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5000, unit: 'binary' }), (words) => {
        for (const status of [
          main(waiting('CrashLoopBackOff'), ended(1, words)),
          fetching(ended(3, words)),
          main(waiting('ErrImagePull', words)),
        ]) {
          const message = failureOf(observed([pod(status)]))?.message ?? '';
          assert.ok(message.length < 1000 && !message.includes('\n'));
        }
      }),
    );
  });
});
