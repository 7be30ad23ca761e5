import { listSupportedBackends } from 'onnxruntime-node';
import { startInference, startIntake } from '../support/inference.ts';
import { until } from '../support/program.ts';
import { againstRembg, type RembgBench } from './rembg.ts';

/** When this machine cannot run the execution provider that was asked for. */
export const NO_GPU_EXIT_CODE = 3;

/**
 * The bench against rembg with a session on a GPU. The server itself says whether the model runs there: it does not
 * become ready on another execution provider than the one asked for. Ends the program with its own code otherwise.
 */
export async function runOnGpu(bench: RembgBench): Promise<void> {
  const { executionProvider } = bench;
  const reason = await whyNot(bench);
  if (reason !== undefined) {
    console.log(`\nexecution provider ${executionProvider}: not on this machine. ${reason}`);
    process.exit(NO_GPU_EXIT_CODE);
  }
  console.log(`\nexecution provider ${executionProvider}`);
  await againstRembg(bench);
}

async function whyNot({ executionProvider, models }: RembgBench): Promise<string | undefined> {
  const known = listSupportedBackends().map(({ name }) => name);
  if (!known.includes(executionProvider)) return `This build of onnxruntime-node knows ${known.join(', ')}.`;
  const intake = await startIntake();
  const server = await startInference({
    models: {},
    intakeUrl: intake.url,
    overrides: { models, assertion: { mode: 'off' }, executionProvider },
  });
  try {
    let problem: string | undefined;
    await until(
      'the model is ready, or it is known why not',
      async () => {
        const { status, body } = await server.ready();
        const [first] = body.problems;
        problem = first?.code === 'model_starting' ? undefined : first?.message;
        return status === 200 || problem !== undefined;
      },
      300_000,
    );
    return problem;
  } finally {
    await server.stop();
    await intake.close();
  }
}
