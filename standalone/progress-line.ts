import type { FetchProgress } from '../control-plane/model-store/progress.ts';

const MEGABYTE = 1_000_000;
const SPEED_WINDOW_MS = 5_000;

export interface Meter {
  /** Of the bytes that came in the last seconds, per second; undefined while too little is known. */
  speed(bytes: number, nowMs: number): number | undefined;
}

/** Measures over a sliding window, so that a stall shows and a burst does not stay. */
export function createMeter(): Meter {
  const samples: { at: number; bytes: number }[] = [];
  return {
    speed(bytes, nowMs) {
      if ((samples.at(-1)?.bytes ?? 0) > bytes) samples.length = 0;
      samples.push({ at: nowMs, bytes });
      while (samples.length > 2 && (samples[1]?.at ?? nowMs) < nowMs - SPEED_WINDOW_MS) samples.shift();
      const first = samples[0];
      if (first === undefined || nowMs - first.at < 200) return undefined;
      return ((bytes - first.bytes) * 1000) / (nowMs - first.at);
    },
  };
}

const VERBS: Record<FetchProgress['phase'], string> = {
  waiting: 'waiting for another process that fetches it',
  downloading: 'downloading',
  unpacking: 'unpacking',
  verifying: 'verifying',
};

/** `name: downloading 12.3 of 88.2 MB (14 %), 9.8 MB/s, 8 s left`. Speed in bytes per second. */
export function progressText(
  name: string,
  { phase, bytes, total }: FetchProgress,
  speed: number | undefined,
): string {
  const head = `${name}: ${VERBS[phase]}`;
  if (phase === 'waiting') return head;
  const done = (bytes / MEGABYTE).toFixed(1);
  const parts = [
    total === undefined
      ? `${head} ${done} MB`
      : `${head} ${done} of ${(total / MEGABYTE).toFixed(1)} MB (${total === 0 ? 100 : Math.floor((bytes * 100) / total)} %)`,
  ];
  if (phase === 'downloading' && speed !== undefined) {
    parts.push(`${(speed / MEGABYTE).toFixed(1)} MB/s`);
    if (total !== undefined && speed >= 1) parts.push(`${duration((total - bytes) / speed)} left`);
  }
  return parts.join(', ');
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
