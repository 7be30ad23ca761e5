import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { errorBody } from '../../../contracts/error.ts';
import { until } from '../../support/program.ts';
import type { World } from './setup.ts';

export interface Client {
  auth: (principal: string) => Record<string, string>;
  keyOf: (principal: string) => string;
  /** With the principal's key. */
  call: (path: string, principal: string, init?: RequestInit) => Promise<Response>;
  /** Bytes as they are, for what no client library would send; gives all that was answered until the connection ended. */
  raw: (text: string) => Promise<string>;
  /** How many reservations of a tenant are in each state. */
  states: (tenant: string) => Promise<Record<string, number>>;
  stateOf: (id: string | null) => Promise<string | undefined>;
  settlesAs: (response: Response, state: string) => Promise<void>;
  /** Waits until the database has all that the gateway owes it. */
  delivered: () => Promise<void>;
}

export function createClient(world: World): Client {
  const keyOf = (principal: string): string => world.keys[principal]?.key ?? '';
  const auth = (principal: string): Record<string, string> => ({
    authorization: `Bearer ${keyOf(principal)}`,
  });
  const stateOf = async (id: string | null): Promise<string | undefined> => {
    const { rows } = await world.db.query<{ state: string }>(
      'SELECT state FROM imageplane.reservation WHERE id = $1',
      [id],
    );
    return rows[0]?.state;
  };
  return {
    keyOf,
    auth,
    stateOf,
    call: (path, principal, init = {}) =>
      fetch(world.url + path, {
        redirect: 'manual',
        ...init,
        headers: { ...auth(principal), ...Object.fromEntries(new Headers(init.headers)) },
      }),
    async raw(text) {
      const { hostname, port } = new URL(world.url);
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
      socket.write(text);
      await new Promise((resolve, reject) => {
        socket.on('close', resolve);
        socket.on('error', reject);
      });
      return answer;
    },
    async states(tenant) {
      const { rows } = await world.db.query<{ state: string; count: string }>(
        'SELECT state, count(*) FROM imageplane.reservation WHERE tenant = $1 GROUP BY state',
        [tenant],
      );
      return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
    },
    settlesAs: (response, state) =>
      until(
        `the reservation is ${state}`,
        async () => (await stateOf(response.headers.get('x-request-id'))) === state,
      ),
    delivered: () =>
      until('the outbox is empty', async () =>
        /^imageplane_gateway_outbox_pending 0$/m.test(
          await (await fetch(`${world.metricsUrl}/metrics`)).text(),
        ),
      ),
  };
}

/** The gateway's error, which must have the one shape and name the request. */
export async function errorOf(
  response: Response,
): Promise<{ status: number; code: string; message: string }> {
  const { error } = errorBody.parse(await response.json());
  assert.equal(error.requestId, response.headers.get('x-request-id'));
  return { status: response.status, code: error.code, message: error.message };
}

export async function codeOf(response: Response): Promise<string> {
  const { status, code } = await errorOf(response);
  return `${status} ${code}`;
}
