import type { V1PodSecurityContext, V1SecurityContext } from '@kubernetes/client-node';
import type { Plain } from '../kinds.ts';

/** As the Pod Security profile "restricted" demands, and a root file system that cannot be written. */
export const containerSecurity: Plain<V1SecurityContext> = {
  allowPrivilegeEscalation: false,
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

/** Owner of what the pod's volumes hold, and the user of our own image. */
export const USER = 1000;

export function podSecurity(user: number | undefined): Plain<V1PodSecurityContext> {
  return {
    runAsNonRoot: true,
    fsGroup: USER,
    seccompProfile: { type: 'RuntimeDefault' },
    ...(user === undefined ? {} : { runAsUser: user, runAsGroup: user }),
  };
}
