import { Agent, request as send } from 'undici';
import type { Json } from '../../crds/crd.ts';
import type { ClusterAccess } from './kubeconfig.ts';

const LIMIT_MS = 60_000;

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed when it is JSON, else the text. */
  body: Json;
}

/**
 * One request of the Kubernetes API. `body` is sent as JSON, a string as it is; `headers` replace the defaults, so that
 * a PATCH names its own `content-type`. Any status is an answer; only a broken connection is thrown.
 */
export type ApiRequest = (
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>;

export interface Client {
  request: ApiRequest;
  close(): Promise<void>;
}

export function createClient(access: ClusterAccess): Client {
  const agent = new Agent({
    // Over HTTP/2 undici joins headers of one name into one, and several groups would be one group.
    allowH2: false,
    headersTimeout: LIMIT_MS,
    bodyTimeout: LIMIT_MS,
    connect: {
      ...(access.ca === undefined ? {} : { ca: access.ca }),
      ...(access.certificate === undefined ? {} : { cert: access.certificate }),
      ...(access.key === undefined ? {} : { key: access.key }),
      ...(access.serverName === undefined ? {} : { servername: access.serverName }),
      rejectUnauthorized: access.insecure !== true,
    },
  });
  const identity = identityHeaders(access);
  return {
    async request(method, path, body, headers = {}) {
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await send(new URL(path, access.server), {
        dispatcher: agent,
        method,
        headers: [...Object.entries({ accept: 'application/json', ...type, ...headers }).flat(), ...identity],
        body: body === undefined || typeof body === 'string' ? (body ?? null) : JSON.stringify(body),
      });
      const text = await answer.body.text();
      const isJson = String(answer.headers['content-type']).startsWith('application/json');
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: isJson ? (JSON.parse(text) as Json) : text,
      };
    },
    close: () => agent.close(),
  };
}

/** Names and values in turn: of several groups each is a header of its own, which a record cannot say. */
function identityHeaders({ token, impersonate }: ClusterAccess): string[] {
  const headers = token === undefined ? [] : ['authorization', `Bearer ${token}`];
  if (impersonate === undefined) return headers;
  const groups = impersonate.groups.flatMap((group) => ['impersonate-group', group]);
  return [...headers, 'impersonate-user', impersonate.user, ...groups];
}
