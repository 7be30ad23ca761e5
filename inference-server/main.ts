import { configFromArguments } from '../foundation/config.ts';
import { messageOf } from '../foundation/errors.ts';
import { createLogger } from '../foundation/logger.ts';
import { runProgram } from '../foundation/program.ts';
import { inferenceServerConfig } from './config.ts';
import { startInferenceServer } from './server.ts';

const PROGRAM = 'inference-server';
const logger = createLogger(PROGRAM, 'info');
const readConfig = async (): ReturnType<typeof configFromArguments<typeof inferenceServerConfig>> =>
  configFromArguments(inferenceServerConfig, process.argv.slice(2), PROGRAM);

await runProgram(logger, async () => {
  const config = await readConfig();
  logger.level = config.logLevel;
  const { stop, reload } = await startInferenceServer(config, logger);
  let reloading = Promise.resolve();
  process.on('SIGHUP', () => {
    reloading = reloading.then(async () => {
      try {
        await reload(await readConfig());
      } catch (error) {
        logger.error(`the configuration was not taken: ${messageOf(error)}`);
      }
    });
  });
  return stop;
});
