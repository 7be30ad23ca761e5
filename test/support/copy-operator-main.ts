/** The copy operator as a process of its own: `--config FILE.json`. */
import { z } from 'zod';
import { configFromArguments } from '../../foundation/config.ts';
import { createLogger } from '../../foundation/logger.ts';
import { runProgram } from '../../foundation/program.ts';
import { loadAccess } from '../../operator/runtime/access.ts';
import { createCopyOperator } from './copy-operator.ts';

const configSchema = z.strictObject({
  kubeconfig: z.string(),
  namespace: z.string(),
  identity: z.string(),
  lease: z.string(),
  times: z.strictObject({ leaseMs: z.number(), renewMs: z.number(), retryMs: z.number() }),
});

await runProgram(createLogger('copy-operator', 'info'), async () => {
  const config = await configFromArguments(configSchema, process.argv.slice(2), 'copy-operator');
  const { namespace, identity, lease, times } = config;
  const { manager } = createCopyOperator({
    access: loadAccess(config.kubeconfig),
    election: { lease: { namespace, name: lease }, times },
    ...{ namespace, identity, level: 'info' },
  });
  await manager.start();
  void manager.lost.then(() => process.exit(1));
  return manager.stop;
});
