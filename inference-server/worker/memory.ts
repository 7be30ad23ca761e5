import { readFileSync } from 'node:fs';

/** What this process holds now and held at its peak, in bytes. */
export function memoryOfProcess(): { residentBytes: number; peakBytes: number } {
  try {
    // The peak of getrusage would be that of the parent it was forked from, if that was higher.
    const status = readFileSync('/proc/self/status', 'utf8');
    const field = (name: string): number =>
      1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
    const [residentBytes, peakBytes] = [field('VmRSS'), field('VmHWM')];
    if (Number.isSafeInteger(residentBytes) && Number.isSafeInteger(peakBytes))
      return { residentBytes, peakBytes };
  } catch {
    // Not Linux.
  }
  return { residentBytes: process.memoryUsage.rss(), peakBytes: 1024 * process.resourceUsage().maxRSS };
}
