import { execute } from './exec.ts';
import type { Layout } from './layout.ts';

/** Loads an image archive into the cluster's containerd. */
export async function importImage(layout: Layout, ctr: string, archive: string): Promise<void> {
  const client = ['--address', layout.containerdSocket, '--namespace', 'k8s.io'];
  await execute(ctr, [...client, 'images', 'import', '--local', archive]);
}
