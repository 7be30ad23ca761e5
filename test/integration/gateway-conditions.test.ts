import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import type { Snapshot } from '../../contracts/snapshot.ts';
import { until } from '../support/program.ts';
import { createClient, errorOf, type Client } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

let world: World;
let client: Client;
before(async () => {
  world = await createWorld();
  client = createClient(world);
});
after(async () => {
  await world.close();
});

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
/** Some minutes that are half a week away. */
const elsewhen = (): { days: [(typeof DAYS)[number]]; from: string; to: string; timeZone: string }[] => {
  const day = DAYS[(new Date().getUTCDay() + 3) % 7] ?? 'Sun';
  return [{ days: [day], from: '12:00', to: '12:05', timeZone: 'UTC' }];
};

/** The snapshot with a change, for as long as `work` takes. */
async function having(change: (snapshot: Snapshot) => void, work: () => Promise<void>): Promise<void> {
  const { tenants, services, principals, keys } = structuredClone(world.snapshot);
  await world.publish(change);
  try {
    await work();
  } finally {
    await world.publish((snapshot) => Object.assign(snapshot, { tenants, services, principals, keys }));
  }
}
const accessOf = ({ tenants }: Snapshot, tenant: string): Snapshot['tenants'][string]['access'] => {
  const found = tenants[tenant];
  assert.ok(found);
  return found.access;
};
const conditionsOf = (snapshot: Snapshot, conditions: object): void => {
  const service = snapshot.services['acme/pages'];
  assert.ok(service);
  service.access.conditions = conditions;
};

const visit = (principal = 'ada', path = '/s/acme/pages/'): Promise<Response> => client.call(path, principal);
async function refusedBy(rule: string, answer: Response, code = 'access_denied'): Promise<void> {
  const refused = await errorOf(answer);
  assert.deepEqual([refused.status, refused.code], [403, code]);
  assert.match(refused.message, new RegExp(`\\b${rule}\\b`));
}

describe('conditions', () => {
  it('of hours close the tenant and a service outside them, and end what is open', async () => {
    const socket = new WebSocket(`${world.url.replace('http', 'ws')}/s/acme/pages/socket`, {
      headers: client.auth('ada'),
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    await having(
      (snapshot) => (accessOf(snapshot, 'acme').timeWindows = elsewhen()),
      async () => {
        await closed;
        await refusedBy('tenant-time-windows', await visit());
      },
    );
    await having(
      (snapshot) => {
        conditionsOf(snapshot, { timeWindows: elsewhen() });
      },
      async () => {
        await refusedBy('service-time-windows', await visit());
        assert.equal((await client.call('/s/acme/cutout/', 'ada', { method: 'POST' })).status, 200);
      },
    );
    assert.equal((await visit()).status, 200);
  });

  it('of a second factor keep out people who have shown one factor, and of a service programs as well', async () => {
    const asProgram = (snapshot: Snapshot): void => {
      const ada = snapshot.principals['ada'];
      assert.ok(ada);
      ada.kind = 'application';
    };
    await having(
      (snapshot) => (accessOf(snapshot, 'acme').secondFactor = 'Always'),
      async () => {
        await refusedBy('tenant-second-factor', await visit(), 'second_factor_required');
        await having(asProgram, async () => {
          assert.equal((await visit()).status, 200);
        });
      },
    );
    await having(
      (snapshot) => {
        asProgram(snapshot);
        conditionsOf(snapshot, { secondFactor: true });
      },
      async () => {
        await refusedBy('service-second-factor', await visit(), 'second_factor_required');
      },
    );
  });

  it('of the age of keys refuse those that are older, and those whose age nobody knows', async () => {
    const aged = (days: number | undefined) => (snapshot: Snapshot) => {
      accessOf(snapshot, 'acme').maxKeyAgeDays = 2;
      const key = snapshot.keys[world.keys['ada']?.hash ?? ''];
      assert.ok(key);
      if (days !== undefined) key.createdAt = new Date(Date.now() - days * 86_400_000).toISOString();
    };
    for (const days of [undefined, 3])
      await having(aged(days), async () => {
        await refusedBy('tenant-key-age', await visit());
      });
    await having(aged(1), async () => {
      assert.equal((await visit()).status, 200);
    });
  });
});

describe('unusual circumstances', () => {
  /** As if it had been here for long, in another place. */
  const elsewhere = (principal: string): Promise<unknown> =>
    world.db.query('INSERT INTO imageplane.access_profile (principal, profile) VALUES ($1, $2)', [
      principal,
      JSON.stringify({
        ...{ firstSeen: 0, networks: {}, devices: {}, nights: 9, lastNight: 0 },
        ...{ peak: 9, peakAt: 0, minute: 0, count: 0 },
      }),
    ]);

  it('ask people for a second factor where the tenant says so, and leave programs a quarter', async () => {
    await elsewhere('bob');
    await having(
      (snapshot) => (accessOf(snapshot, 'burp').risk.action = 'SecondFactor'),
      async () => {
        const infer = (): Promise<Response> => client.call('/s/burp/cutout/', 'bob', { method: 'POST' });
        // Habits are not waited for longer than 50 ms.
        await until('the habits are known', async () => (await infer()).status === 403);
        await refusedBy('risk-second-factor', await infer(), 'second_factor_required');
        await having(
          ({ principals: { bob } }) => {
            assert.ok(bob);
            bob.kind = 'application';
          },
          async () => {
            const served = await infer();
            assert.equal(served.status, 200);
            assert.equal(served.headers.get('ratelimit-policy'), '"requests";q=250;w=60');
          },
        );
      },
    );
  });

  it('change nothing where the tenant has switched it off', async () => {
    await elsewhere('lim');
    await having(
      (snapshot) => (accessOf(snapshot, 'limited').risk.action = 'Off'),
      async () => {
        const served = await client.call('/s/limited/cutout/', 'lim', { method: 'POST' });
        assert.equal(served.headers.get('ratelimit-policy'), '"requests";q=3;w=60');
      },
    );
  });
});
