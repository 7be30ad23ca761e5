import { serviceOfServiceAccount } from '../../../contracts/workload.ts';
import { RequestError } from '../../../foundation/errors.ts';
import type { Logger } from '../../../foundation/logger.ts';
import { sha256Hex } from '../../../foundation/secret.ts';
import { resources } from '../../../operator/runtime/resources.ts';
import type { Client, KubernetesObject } from '../../../operator/runtime/types.ts';

export const USAGE_AUDIENCE = 'imageplane-usage';

const REMEMBER_MS = 60_000;
/** A refusal may have been too early: an account that was made just now. */
const REMEMBER_REFUSAL_MS = 5_000;
const MAX_REMEMBERED = 10_000;

interface TokenReview extends KubernetesObject {
  status?: { authenticated?: boolean; audiences?: string[]; user?: { username?: string } };
}

/** A namespace of a tenant. Its uid tells it from one of the same name that came after it. */
export interface TenantNamespace {
  uid: string;
  tenant: string;
}

interface Remembered {
  account: { namespace: string; name: string; uid: string } | undefined;
  untilMs: number;
}

export interface SendersOptions {
  client: Client;
  /** Of a namespace's name, as it is now. */
  namespaceOf: (name: string) => TenantNamespace | undefined;
  nowMs: () => number;
  logger: Logger;
}

/**
 * Says whose usage a token brings, as `{tenant}/{service}`: the API server says whose ServiceAccount it is. Remembered by
 * the token's digest for a minute, so a deleted account's token counts that long at most.
 */
export function createSenders(options: SendersOptions): (token: string) => Promise<string | undefined> {
  const { client, namespaceOf, nowMs, logger } = options;
  const remembered = new Map<string, Remembered>();
  const asking = new Map<string, Promise<Remembered>>();

  async function review(token: string): Promise<Remembered> {
    const object = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: { name: 'usage' },
      spec: { token, audiences: [USAGE_AUDIENCE] },
    };
    const { status } = await client.create<TokenReview>(resources.TokenReview, object);
    const [, namespace, name] =
      /^system:serviceaccount:([^:]+):([^:]+)$/.exec(status?.user?.username ?? '') ?? [];
    const valid = status?.authenticated === true && status.audiences?.includes(USAGE_AUDIENCE) === true;
    const uid = namespace === undefined ? undefined : namespaceOf(namespace)?.uid;
    if (!valid || namespace === undefined || name === undefined || uid === undefined)
      return { account: undefined, untilMs: nowMs() + REMEMBER_REFUSAL_MS };
    return { account: { namespace, name, uid }, untilMs: nowMs() + REMEMBER_MS };
  }

  async function ask(digest: string, token: string): Promise<Remembered> {
    try {
      const found = await review(token);
      remembered.delete(digest);
      remembered.set(digest, found);
      const [oldest] = remembered.keys();
      if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
      return found;
    } catch (error) {
      logger.warn({ err: error }, 'a usage token could not be reviewed');
      throw new RequestError(
        503,
        'token_review_unavailable',
        'The Kubernetes API did not say whose token this is. Send the events again.',
        { headers: { 'retry-after': '5' }, cause: error },
      );
    } finally {
      asking.delete(digest);
    }
  }

  async function lookUp(token: string): Promise<Remembered> {
    const digest = sha256Hex(token);
    const known = remembered.get(digest);
    // The account of a namespace that is gone speaks for none that came after it.
    const current =
      known?.account === undefined || namespaceOf(known.account.namespace)?.uid === known.account.uid;
    if (known !== undefined && known.untilMs > nowMs() && current) return known;
    const under = asking.get(digest) ?? ask(digest, token);
    if (!asking.has(digest)) asking.set(digest, under);
    return under;
  }

  return async (token) => {
    const { account } = await lookUp(token);
    if (account === undefined) return undefined;
    const tenant = namespaceOf(account.namespace)?.tenant;
    const service = serviceOfServiceAccount(account.name);
    return tenant === undefined || service === undefined ? undefined : `${tenant}/${service}`;
  };
}
