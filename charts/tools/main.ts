import { generate, stalePaths } from './generate.ts';
import { checkRendering } from './rendering.ts';

const HELP = `Usage: npm run chart -- COMMAND

  generate   makes values.yaml, values.schema.json and docs/reference/values.md from charts/tools/values.ts, and copies
             definitions and guards into the chart
  stale      names what generate would change, and fails when there is any
  render     renders the chart for a matrix of values and has a real API server check every object (server-side dry
             run); the server is etcd and kube-apiserver alone, built once and started in seconds
  help       this`;

async function run(command: string | undefined): Promise<number> {
  switch (command) {
    case 'generate':
      for (const path of await generate()) console.log(`wrote ${path}`);
      return 0;
    case 'stale': {
      const stale = await stalePaths();
      for (const path of stale) console.log(`${path} is stale: run npm run chart -- generate`);
      return stale.length === 0 ? 0 : 1;
    }
    case 'render': {
      const problems = await checkRendering((line) => {
        console.log(line);
      });
      for (const problem of problems) console.error(problem);
      return problems.length === 0 ? 0 : 1;
    }
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      console.log(HELP);
      return 0;
    default:
      console.error(`There is no command ${command}.\n\n${HELP}`);
      return 2;
  }
}

void run(process.argv[2]).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
