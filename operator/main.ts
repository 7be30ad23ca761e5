import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { configFromArguments } from '../foundation/config.ts';
import { createLogger } from '../foundation/logger.ts';
import { runProgram } from '../foundation/program.ts';
import { operatorConfig } from './config.ts';
import { createOperator } from './operator.ts';
import { loadAccess } from './runtime/access.ts';

const PROGRAM = 'operator';
const logger = createLogger(PROGRAM, 'info');

await runProgram(logger, async () => {
  const config = await configFromArguments(operatorConfig, process.argv.slice(2), PROGRAM);
  logger.level = config.logLevel;
  const { name, leaseSeconds, renewSeconds, retrySeconds } = config.leaderElection;
  const { manager } = createOperator({
    ...{ config, logger, access: loadAccess(), now: () => new Date() },
    identity: `${hostname()}_${randomUUID()}`,
    election: {
      lease: { namespace: config.systemNamespace, name },
      times: { leaseMs: leaseSeconds * 1000, renewMs: renewSeconds * 1000, retryMs: retrySeconds * 1000 },
    },
  });
  await manager.start();
  void manager.lost.then(() => process.exit(1));
  return manager.stop;
});
