import { configFromArguments } from '../foundation/config.ts';
import { createLogger } from '../foundation/logger.ts';
import { runProgram } from '../foundation/program.ts';
import { inferenceServerConfig } from './config.ts';
import { startInferenceServer } from './server.ts';

const PROGRAM = 'inference-server';
const logger = createLogger(PROGRAM, 'info');

await runProgram(logger, async () => {
  const config = await configFromArguments(inferenceServerConfig, process.argv.slice(2), PROGRAM);
  logger.level = config.logLevel;
  return startInferenceServer(config, logger);
});
