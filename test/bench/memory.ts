import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { availableParallelism } from 'node:os';
import { catalogueModels } from '../support/models.ts';
import { median, mib, ms } from './report.ts';

interface Setting {
  name: string;
  options: Record<string, unknown>;
  env?: Record<string, string>;
}

const MALLOC = { MALLOC_MMAP_THRESHOLD_: '131072' };
const HUGE = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=131072' };
const config = (value: Record<string, string>): Record<string, unknown> => ({
  extra: { session: { intra_op: { allow_spinning: '0' }, ...value } },
});

const SETTINGS: Setting[] = [
  { name: "ONNX Runtime's own", options: {} },
  { name: 'malloc gives large blocks back', options: {}, env: MALLOC },
  { name: 'no memory pattern', options: { enableMemPattern: false } },
  { name: 'both of these (the server)', options: { enableMemPattern: false }, env: MALLOC },
  {
    name: 'and no arena',
    options: { enableMemPattern: false, enableCpuMemArena: false },
    env: MALLOC,
  },
  {
    name: 'and no arena, huge pages',
    options: { enableMemPattern: false, enableCpuMemArena: false },
    env: HUGE,
  },
  {
    name: 'the server, weights not packed anew',
    options: { enableMemPattern: false, ...config({ disable_prepacking: '1' }) },
    env: MALLOC,
  },
  {
    name: 'the server, weights outside the arena',
    options: { enableMemPattern: false, ...config({ use_device_allocator_for_initializers: '1' }) },
    env: MALLOC,
  },
  {
    name: 'the server, layouts left as they are',
    options: { enableMemPattern: false, graphOptimizationLevel: 'extended' },
    env: MALLOC,
  },
];
const ROUNDS = 2;
const RUNS = 6;
const PROGRAM = fileURLToPath(new URL('./session.ts', import.meta.url));
const run = promisify(execFile);

interface Found {
  loaded: number;
  after: number;
  peak: number;
  times: number[];
}

/** What a model process holds, and how long a run takes, by the settings that bear on memory: a table, no bars. */
export async function measureMemory(model: string): Promise<void> {
  const [{ files } = { files: [] }] = (await catalogueModels(model)) as { files: { path: string }[] }[];
  const path = files[0]?.path;
  if (path === undefined) throw new Error(`${model} has no file`);
  const found = new Map<string, Found[]>();
  for (let round = 0; round < ROUNDS; round++)
    for (const setting of SETTINGS) {
      const options = {
        executionProviders: ['cpu'],
        intraOpNumThreads: availableParallelism(),
        logSeverityLevel: 3,
        ...config({}),
        ...setting.options,
      };
      const args = [PROGRAM, path, JSON.stringify(options), String(RUNS)];
      const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...setting.env } });
      found.set(setting.name, [...(found.get(setting.name) ?? []), JSON.parse(stdout) as Found]);
    }
  console.log(`\nmemory of one session of ${model} at 1024 × 1024, ${ROUNDS} rounds of ${RUNS} runs`);
  console.log(`  ${'setting'.padEnd(40)}  loaded     after      peak       a run`);
  for (const [name, rounds] of found) {
    const of = (value: (one: Found) => number): string => mib(median(rounds.map(value))).padEnd(9);
    const time = ms(median(rounds.flatMap(({ times }) => times)));
    console.log(
      `  ${name.padEnd(40)}  ${of(({ loaded }) => loaded)}  ${of(({ after }) => after)}  ${of(({ peak }) => peak)}  ${time}`,
    );
  }
}
