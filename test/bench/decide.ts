import type { Grant } from '../../contracts/access.ts';
import type { PrincipalEntry } from '../../contracts/principal.ts';
import { type Snapshot, snapshot, type SnapshotInput } from '../../contracts/snapshot.ts';
import { compileAccess } from '../../control-plane/access/compile.ts';
import { decide, type Resource } from '../../control-plane/access/decide.ts';
import { type Asked, type Declared, mayByDocument } from '../support/access-reference.ts';

/** What deciding costs, in microseconds for each decision: the median of some rounds. */
export interface DecideCost {
  grants: number;
  /** A principal with a few roles and grants, as most are. */
  usual: number;
  /** One that has every custom role of the tenant; each would allow it, and the conditions of none hold. */
  worst: number;
  /** The same principal's, by the naive reference of the tests. */
  naive: number;
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

/** The same world, as the reference reads it. */
function declaredOf({ services, roles, grants, tenants }: Snapshot): Declared {
  const { access } = Object.values(tenants)[0] ?? {};
  if (access === undefined) throw new Error('the measured world has a tenant');
  const { allowedCidrs, intranetCidrs, timeWindows, secondFactor } = access;
  return {
    tenants: { acme: { allowedCidrs, intranetCidrs, timeWindows, secondFactor, maxKeyAgeDays: undefined } },
    services: Object.values(services).map(({ tenant, name, model, access: { addressSets } }) => ({
      ...{ tenant, name, model, addressSets },
      ...{ minimumRole: undefined, conditions: undefined },
    })),
    roles: Object.values(roles),
    grants,
  };
}

function costOf(ask: () => boolean, rounds: number, each = 2_000): number {
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
  const person: PrincipalEntry = {
    ...{ id: 'u1', tenant: 'acme', kind: 'user', name: 'U', department: '', role: 'guest' },
    ...{ epoch: 0, customRoles: ['r1', 'r2', 'r3'], projects: ['p4'] },
  };
  const worst: PrincipalEntry = {
    ...person,
    id: 'u2',
    customRoles: Array.from({ length: ROLES }, (_, index) => `r${index}`),
    projects: ['p0', 'p4', 'p8', 'p12', 'p16'],
  };
  const resource: Resource = { kind: 'service', tenant: 'acme', name: 'cutout' };
  let asked = 0;
  // Time passes, so that no answer of the clock is had for nothing for ever.
  const now = (): number => AT + Math.floor((asked++ % 50_000) / 100) * 60_000;
  const circumstances = { address: '10.1.2.3', secondFactor: false };
  const decided = (principal: PrincipalEntry) => () =>
    decide(principal, 'infer', resource, { tenant: access.get('acme'), at: now(), ...circumstances }).allow;
  const declared = declaredOf(parsed);
  const byReference = (principal: PrincipalEntry) => (): boolean => {
    const question: Asked = {
      ...{ principal, action: 'infer', resource, at: now(), ...circumstances },
      ...{ vouched: false, risky: false, key: undefined },
    };
    return mayByDocument(question, declared);
  };
  for (const by of [decided, byReference])
    if (!by(person)() || by(worst)()) throw new Error('the measured decisions are not the intended ones');
  costOf(decided(person), 5);
  costOf(decided(worst), 5);
  return {
    ...{ grants, compileMs },
    usual: costOf(decided(person), rounds),
    worst: costOf(decided(worst), rounds),
    naive: costOf(byReference(worst), 5, 10),
  };
}
