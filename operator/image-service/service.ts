import { SERVICE_PORT } from '../../contracts/workload.ts';
import { type Child, childOf } from '../children/child.ts';
import type { Service } from '../kinds.ts';
import { podSelector } from './names.ts';
import { childMetadata, type Target } from './target.ts';

/** Inside the cluster only; who may connect is the NetworkPolicy's part. */
export function service(target: Target): Child<Service> {
  return childOf<Service>({ kind: 'imageServices', object: target.service }, 'services', {
    metadata: childMetadata(target),
    spec: {
      type: 'ClusterIP',
      selector: podSelector(target.service, target.tenant),
      ports: [{ name: 'http', port: SERVICE_PORT, targetPort: SERVICE_PORT, protocol: 'TCP' }],
    },
  });
}
