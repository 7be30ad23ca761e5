import type { Grant } from '../../contracts/access.ts';
import { snapshot, type SnapshotInput } from '../../contracts/snapshot.ts';
import { compileAccess } from '../../control-plane/access/compile.ts';
import {
  type AccessContext,
  decide,
  type Resource,
  type Subject,
} from '../../control-plane/access/decide.ts';

/** What deciding costs, in microseconds for each decision: the median of some rounds. */
export interface DecideCost {
  grants: number;
  /** A principal with a few roles and grants, as most are. */
  usual: number;
  /** One that has every custom role of the tenant; each would allow it, and the conditions of none hold. */
  worst: number;
  /** The gateway's whole cost of making a snapshot ready, in milliseconds. */
  compileMs: number;
}

const AT = Date.parse('2026-03-02T04:00:00Z');
const ROLES = 200;
const PEOPLE = 100;

const grant = (index: number): Grant => ({
  id: `g${index}`,
  tenant: 'acme',
  subject:
    index % 4 === 0
      ? { kind: 'project', id: `p${index % 20}` }
      : { kind: 'principal', id: `u${index % PEOPLE}` },
  permission: {
    actions: ['infer', 'view'],
    resources: [`service:s${index}`, index % 10 === 0 ? `folder:f${index}/*` : `model:m${index}`],
  },
  ...(index % 3 === 0
    ? {
        conditions: {
          allowedCidrs: ['10.0.0.0/8'],
          timeWindows: [
            {
              days: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'],
              from: '08:00',
              to: '20:00',
              timeZone: 'Asia/Shanghai',
            },
          ],
        },
      }
    : {}),
});

function world(grants: number): SnapshotInput {
  return {
    version: '1',
    issuedAt: new Date(AT).toISOString(),
    tenants: {
      acme: {
        plan: 'enterprise',
        limits: { requestsPerMinute: 500, requestsPerDay: 0, requestsPerMonth: 0 },
        access: {
          allowedCidrs: ['10.0.0.0/8', '192.0.2.0/24'],
          unlimitedCidrs: [],
          timeWindows: [
            { days: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'], from: '00:00', to: '24:00', timeZone: 'UTC' },
          ],
        },
      },
    },
    services: {
      'acme/cutout': {
        tenant: 'acme',
        name: 'cutout',
        engine: 'onnx',
        endpoints: [],
        access: { addressSets: [] },
        model: 'isnet',
        maxBodyBytes: 1,
        timeoutSeconds: 1,
      },
    },
    roles: Object.fromEntries(
      Array.from({ length: ROLES }, (_, index) => [
        `acme/r${index}`,
        {
          tenant: 'acme',
          name: `r${index}`,
          permissions: [{ actions: ['infer'], resources: ['service:*', `model:r${index}`] }],
          conditions: { allowedCidrs: ['172.16.0.0/12', `198.51.100.${index}/32`] },
        },
      ]),
    ),
    grants: [
      ...Array.from({ length: grants - 1 }, (_, index) => grant(index)),
      {
        id: 'own',
        tenant: 'acme',
        subject: { kind: 'principal', id: 'u1' },
        permission: { actions: ['infer'], resources: ['model:isnet'] },
        conditions: { allowedCidrs: ['10.0.0.0/8'] },
      },
    ],
    principals: {},
    keys: {},
  };
}

function costOf(ask: () => boolean, rounds: number): number {
  const each = 2_000;
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let index = 0; index < each; index++) ask();
    times.push(((performance.now() - start) * 1000) / each);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
}

/** With 200 custom roles and so many grants. */
export function measureDecide(grants: number, rounds = 25): DecideCost {
  const parsed = snapshot.parse(world(grants));
  const start = performance.now();
  const access = compileAccess(parsed);
  const compileMs = performance.now() - start;
  const person: Subject = {
    id: 'u1',
    tenant: 'acme',
    kind: 'user',
    name: 'U',
    department: '',
    role: 'guest',
  };
  const usual: Subject = { ...person, customRoles: ['r1', 'r2', 'r3'], projects: ['p4'] };
  const worst: Subject = {
    ...person,
    id: 'u2',
    customRoles: Array.from({ length: ROLES }, (_, index) => `r${index}`),
    projects: ['p0', 'p4', 'p8', 'p12', 'p16'],
  };
  const resource: Resource = { kind: 'service', tenant: 'acme', name: 'cutout' };
  let minute = 0;
  // Time passes, so that no answer of the clock is had for nothing for ever.
  const context = (): AccessContext => ({
    tenant: access.get('acme'),
    at: AT + Math.floor(minute++ / 100) * 60_000,
    address: '10.1.2.3',
    secondFactor: false,
  });
  const allowed = (subject: Subject) => () => {
    if (minute > 50_000) minute = 0;
    return decide(subject, 'infer', resource, context()).allow;
  };
  if (!allowed(usual)() || allowed(worst)())
    throw new Error('the measured decisions are not the intended ones');
  costOf(allowed(usual), 5);
  costOf(allowed(worst), 5);
  return { grants, usual: costOf(allowed(usual), rounds), worst: costOf(allowed(worst), rounds), compileMs };
}
