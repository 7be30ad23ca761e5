import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { role } from '../../../contracts/principal.ts';
import { createIdentityWorld, type IdentityWorld } from '../../support/identity-world.ts';
import { stops } from '../attack.ts';

let world: IdentityWorld;
let admin: string;
/** Of an application of acme that is a developer. */
let developer: string;

before(async () => {
  world = await createIdentityWorld();
  admin = await world.adminKey('acme');
  const wanted = { name: 'shop', role: 'developer' };
  const made = await world.call(admin, 'POST', '/api/v1/applications', wanted);
  assert.equal(made.status, 201);
  ({ apiKey: developer } = (await made.json()) as { apiKey: string });
  await world.synced();
});
after(async () => {
  await world.close();
});

interface Made {
  tenant: string;
  role: string;
  owner: string;
}
/** What is made for a caller who is a developer of acme; undefined when it is refused. */
type Create = (body: Record<string, unknown>) => Promise<Made | undefined>;

/** Fills in what is missing from the caller, and lets the body say the rest. */
const naive: Create = (body) =>
  Promise.resolve({ tenant: 'acme', role: 'developer', owner: 'shop', ...body });

const ours: Create = async (body) => {
  const answer = await world.call(developer, 'POST', '/api/v1/applications', body);
  if (answer.status !== 201) return undefined;
  const { id } = (await answer.json()) as { id: string };
  const { rows } = await world.db.query<Made>(
    'SELECT p.tenant, p.role, a.owner FROM imageplane.principal p JOIN imageplane.application a ON a.principal = p.id WHERE p.id = $1',
    [id],
  );
  return rows[0];
};

const rank = (name: string): number => role.options.findIndex((one) => one === name);

const asking =
  (body: Record<string, unknown>) =>
  async (create: Create): Promise<boolean> => {
    const honest = await create({ name: 'honest', role: 'editor' });
    assert.equal(honest?.tenant, 'acme');
    const made = await create({ name: 'made', ...body });
    if (made === undefined) return false;
    return made.tenant !== 'acme' || made.owner === 'admin' || rank(made.role) < rank('developer');
  };

const targets = { naive: () => naive, ours: () => ours };
stops('a role above its own', asking({ role: 'tenant-admin' }), targets);
stops('an application of another tenant', asking({ tenant: 'strict' }), targets);
stops("an application in another's name", asking({ owner: 'admin' }), targets);
