import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { createIdentityWorld, type IdentityWorld } from '../../support/identity-world.ts';
import { stops } from '../attack.ts';

let world: IdentityWorld;
let admin: string;

before(async () => {
  world = await createIdentityWorld();
  admin = await world.adminKey('acme');
});
after(async () => {
  await world.close();
});

interface Profile {
  /** Opens a form with somebody's profile; gives what saves it under another name. */
  open: () => Promise<(name: string) => Promise<void>>;
  disable: () => Promise<void>;
}

interface Row {
  name: string;
  department: string;
  epoch: number;
  disabled_at: Date | null;
}

async function createAccount(login: string): Promise<string> {
  const made = await world.call(admin, 'POST', '/api/v1/accounts', { login, name: login });
  assert.equal(made.status, 201);
  return ((await made.json()) as { id: string }).id;
}
const rowOf = async (id: string): Promise<Row | undefined> =>
  (
    await world.db.query<Row>(
      'SELECT name, department, epoch, disabled_at FROM imageplane.principal WHERE id = $1',
      [id],
    )
  ).rows[0];
async function disable(id: string): Promise<void> {
  const answer = await world.call(admin, 'POST', `/api/v1/accounts/${id}/disable`);
  assert.ok(answer.ok, await answer.text());
}

/** Saves the whole record that it has read, with the name changed. */
const naive = (id: string): Profile => ({
  async open() {
    const read = await rowOf(id);
    return async (name) => {
      await world.db.query(
        'UPDATE imageplane.principal SET name = $2, department = $3, epoch = $4, disabled_at = $5 WHERE id = $1',
        [id, name, read?.department, read?.epoch, read?.disabled_at],
      );
    };
  },
  disable: () => disable(id),
});

const ours = (id: string): Profile => ({
  async open() {
    const answer = await world.call(admin, 'GET', '/api/v1/accounts');
    assert.equal(answer.status, 200);
    return async (name) => {
      const saved = await world.call(admin, 'PATCH', `/api/v1/accounts/${id}`, { name });
      assert.ok(saved.ok, await saved.text());
    };
  },
  disable: () => disable(id),
});

/** Somebody has the form open while an administrator locks the account, and saves it then. */
async function attack({ id, profile }: { id: string; profile: Profile }): Promise<boolean> {
  const save = await profile.open();
  await profile.disable();
  const locked = await rowOf(id);
  await save('Another Name');
  const saved = await rowOf(id);
  assert.equal(saved?.name, 'Another Name');
  return saved.disabled_at === null || saved.epoch < (locked?.epoch ?? 0);
}

const target =
  (login: string, make: (id: string) => Profile) => async (): Promise<{ id: string; profile: Profile }> => {
    const id = await createAccount(login);
    return { id, profile: make(id) };
  };

stops('a profile that is saved as it was before its account was locked', attack, {
  naive: target('one', naive),
  ours: target('two', ours),
});
