import type { V1EnvVar, V1PodSpec, V1Probe } from '@kubernetes/client-node';
import type { Plain } from '../kinds.ts';
import { SERVICE_PORT } from '../../contracts/workload.ts';
import { MAIN } from './names.ts';
import { containerSecurity } from './pod-security.ts';
import { containerResources } from './resources.ts';
import type { Target } from './target.ts';

/** Time for a page to load its models: 10 s × 180. */
const STARTUP_TRIES = 180;

/**
 * What is particular to engine container: the tenant's image. It gets no token, no secret of ours and no way to the
 * model store; it is not expected to check the gateway's assertion, so the NetworkPolicy alone keeps others out.
 */
export function containerPod(target: Target): Pick<Plain<V1PodSpec>, 'containers' | 'volumes'> {
  const { image, args } = target.service.spec.container ?? {};
  return {
    containers: [
      {
        name: MAIN,
        image: image ?? '',
        ...(args === undefined ? {} : { args: args.map(literally) }),
        env: environment(target),
        ports: [{ name: 'http', containerPort: SERVICE_PORT, protocol: 'TCP' }],
        resources: containerResources(target),
        securityContext: containerSecurity,
        startupProbe: probe(10, STARTUP_TRIES),
        readinessProbe: probe(5, 3),
        livenessProbe: probe(20, 6),
        terminationMessagePolicy: 'FallbackToLogsOnError',
        volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
      },
    ],
    volumes: [{ name: 'tmp', emptyDir: {} }],
  };
}

/** What a Gradio page needs to listen and to know its path, and a home that can be written. The service's own win. */
function environment({ service, tenant }: Target): Plain<V1EnvVar>[] {
  const preset: Record<string, string> = {
    GRADIO_ROOT_PATH: `/s/${tenant.metadata.name}/${service.metadata.name}`,
    GRADIO_SERVER_NAME: '0.0.0.0',
    GRADIO_SERVER_PORT: String(SERVICE_PORT),
    HOME: '/tmp',
  };
  const own = service.spec.container?.env ?? [];
  const names = new Set(own.map(({ name }) => name));
  return [
    ...Object.entries(preset)
      .filter(([name]) => !names.has(name))
      .map(([name, value]) => ({ name, value })),
    ...own.map(({ name, value }) => ({ name, value: literally(value) })),
  ];
}

/** `$(NAME)` would be replaced by the kubelet; what stands in the object is what the program gets. */
function literally(text: string): string {
  return text.replaceAll('$(', () => '$$(');
}

function probe(periodSeconds: number, failureThreshold: number): Plain<V1Probe> {
  return { tcpSocket: { port: SERVICE_PORT }, periodSeconds, failureThreshold, timeoutSeconds: 5 };
}
