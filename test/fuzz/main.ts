import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { corpus } from './corpus.ts';
import { randomOf } from './random.ts';
import { requestOf } from './requests.ts';
import { fuzz, type FuzzReport, seedOfCase } from './run.ts';

const HELP = `Sends mutated requests to an inference server over a tiny graph: every answer must be a 2xx, or a 4xx with a reason.

Usage: npm run fuzz -- [--cases N] [--seed S] [--only CASE [--save FILE]]

  --cases N     how many (default 20000)
  --seed S      a whole number; without it one is drawn, and printed
  --only CASE   that case of the seed alone
  --save FILE   writes the body of that case, to look at or to keep as a fixture

Exit codes: 0 nothing found, 1 something found, 2 wrong option.`;

function wholeNumber(text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`${String(text)} is no whole number.\n\n${HELP}`);
  return number;
}

function options(): { seed: number; cases: number; only: number | undefined; save: string | undefined } {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      cases: string,
      seed: string,
      only: string,
      save: string,
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) throw new Error(HELP);
  return {
    cases: wholeNumber(values.cases, 20_000),
    seed: wholeNumber(values.seed, Math.floor(Math.random() * 2 ** 31)),
    only: values.only === undefined ? undefined : wholeNumber(values.only, 0),
    save: values.save,
  };
}

function print(report: FuzzReport, seconds: number): void {
  console.log(
    `${report.cases} cases in ${seconds.toFixed(0)} s, the slowest in ${report.slowestMs.toFixed(0)} ms`,
  );
  for (const [outcome, times] of [...report.answers].sort(([, a], [, b]) => b - a))
    console.log(`  ${String(times).padStart(6)}  ${outcome}`);
  ['HTTP process', 'model process'].forEach((name, i) => {
    const [before, after] = [report.before[i], report.after[i]];
    console.log(
      `${name}: ${before?.rssMiB ?? 0} → ${after?.rssMiB ?? 0} MiB, ${before?.handles ?? 0} → ${after?.handles ?? 0} handles`,
    );
  });
  console.log(`model processes that had to be started again: ${report.restarts}`);
  for (const failure of report.failures.slice(0, 50)) console.log(failure);
  if (report.failures.length > 50) console.log(`… and ${report.failures.length - 50} more`);
}

try {
  const { seed, cases, only, save } = options();
  console.log(`seed ${seed}`);
  if (only !== undefined && save !== undefined)
    await writeFile(save, requestOf(await corpus(), randomOf(seedOfCase(seed, only))).body);
  const started = performance.now();
  const report = await fuzz({ seed, cases, only });
  print(report, (performance.now() - started) / 1000);
  process.exitCode = report.failures.length === 0 && report.restarts === 0 ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
