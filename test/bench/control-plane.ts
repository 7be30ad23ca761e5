import { measureDecide } from './decide.ts';
import { openGatewayBench } from './gateway-cost.ts';
import { judge, mib, ms } from './report.ts';

const micro = (value: number): string => `${value.toFixed(2)} µs`;

/** The baseline is a decision that looks at every role and grant in turn, as the tests' reference does. */
export function measureDecisions(): void {
  const few = measureDecide(2_000);
  const many = measureDecide(20_000);
  console.log('\none decision at 200 custom roles (medians; naive: every role and grant in turn)');
  for (const { grants, usual, worst, naive, compileMs } of [few, many])
    console.log(
      `  ${grants.toLocaleString('en')} grants: usual principal ${micro(usual)}, all roles and no right ${micro(worst)}, ` +
        `naive ${micro(naive)}; once for each snapshot ${ms(compileMs)}`,
    );
  judge('decide at 2,000 grants, at worst: at most 50 µs', micro(few.worst), few.worst <= 50);
  for (const who of ['usual', 'worst'] as const) {
    const ratio = many[who] / few[who];
    judge(`decide, ${who}: flat as grants grow tenfold (at most 1.5)`, ratio.toFixed(2), ratio <= 1.5);
  }
}

const BODIES = [
  { bodyBytes: 10_000, requests: 2_000, most: 2.5 },
  { bodyBytes: 1_000_000, requests: 200, most: 1.3 },
];

/** The gateway with everything on, beside its own proxy with no checks. */
export async function measureProxy(): Promise<void> {
  const bench = await openGatewayBench();
  try {
    console.log(
      '\nCPU time for each request, 16 at once (pairs in turn; baseline: the same proxy with no checks)',
    );
    for (const { bodyBytes, requests, most } of BODIES) {
      const { plainMs, gatewayMs, ratios, ratio } = await bench.compare(bodyBytes, requests, 7);
      console.log(
        `  ${bodyBytes / 1000} KB there and back: ${plainMs.toFixed(3)} ms plain, ${gatewayMs.toFixed(3)} ms gateway; ` +
          `ratios ${ratios.map((one) => one.toFixed(2)).join(' ')}`,
      );
      judge(`gateway at ${bodyBytes / 1000} KB: CPU at most ${most} times`, ratio.toFixed(2), ratio <= most);
    }
    const points = await bench.memory(100_000);
    console.log(`\n100,000 requests: gateway after each 10,000: ${points.map(mib).join(', ')}`);
    const [, warm = 0] = points;
    const end = points.at(-1) ?? 0;
    judge(
      'gateway: memory flat from 20,000 to 100,000 requests (within 5 %)',
      `${mib(warm)} → ${mib(end)}`,
      end <= warm * 1.05,
    );
  } finally {
    await bench.close();
  }
}
