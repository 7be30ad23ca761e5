interface Bar {
  what: string;
  value: string;
  met: boolean;
}

const bars: Bar[] = [];

/** Prints a bar and remembers whether it was met. */
export function judge(what: string, value: string, met: boolean): void {
  bars.push({ what, value, met });
  console.log(`  ${met ? 'met ' : 'MISSED'}  ${what}: ${value}`);
}

/** Says how many bars were met; the exit code of the whole. */
export function conclude(): number {
  const missed = bars.filter(({ met }) => !met);
  console.log(`\n${bars.length - missed.length} of ${bars.length} bars met.`);
  return missed.length === 0 ? 0 : 1;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
export const ms = (value: number): string => `${value.toFixed(1)} ms`;
export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

export function median(values: number[]): number {
  return quantile(values, 0.5);
}

/** Between two values, the mean of both. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const lower = sorted[Math.floor(at)] ?? Number.NaN;
  const upper = sorted[Math.ceil(at)] ?? Number.NaN;
  return lower + (upper - lower) * (at - Math.floor(at));
}
