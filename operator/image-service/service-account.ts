import { type Child, childOf } from '../children/child.ts';
import type { ServiceAccount } from '../kinds.ts';
import { childMetadata, type Target } from './target.ts';

/** Without any permission: it is only who the pod is for the usage intake. */
export function serviceAccount(target: Target): Child<ServiceAccount> {
  return childOf<ServiceAccount>({ kind: 'imageServices', object: target.service }, 'serviceAccounts', {
    metadata: childMetadata(target),
    automountServiceAccountToken: false,
  });
}
