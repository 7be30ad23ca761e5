import type { Localized } from '../../foundation/language.ts';
import type { Conditions } from '../../contracts/access.ts';

type Window = NonNullable<Conditions['timeWindows']>[number];

/** A minute in a week: 0 is Monday 00:00. */
const DAY = 24 * 60;
const WEEK = 7 * DAY;
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** Whether it is one of some hours, at a time in milliseconds since the epoch. */
export type TimeWindows = (at: number) => boolean;

/** `HH:MM` as minutes; NaN when it is none. */
function minutesOf(text: string): number {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$|^(24):(00)$/.exec(text);
  return match === null ? NaN : Number(match[1] ?? match[3]) * 60 + Number(match[2] ?? match[4]);
}

/** Minute of the week in a time zone. */
export type WeekClock = (at: number) => number;

/** @throws RangeError when there is no such zone */
function createWeekClock(timeZone: string): WeekClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  // Asked for each request, and formatting costs more than all else: the answer of a minute is kept.
  let known = { minute: NaN, value: NaN };
  return (at) => {
    const minute = Math.floor(at / 60_000);
    if (known.minute !== minute) known = { minute, value: weekMinute(format, at) };
    return known.value;
  };
}

function weekMinute(format: Intl.DateTimeFormat, at: number): number {
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return (
    DAYS.indexOf(parts.get('weekday') ?? '') * DAY +
    Number(parts.get('hour')) * 60 +
    Number(parts.get('minute'))
  );
}

const clocks = new Map<string, WeekClock | undefined>();
/** More zones than the database of zones has. */
const MAX_CLOCKS = 2_000;

/** Undefined when there is no such zone. */
export function weekClock(timeZone: string): WeekClock | undefined {
  if (clocks.has(timeZone)) return clocks.get(timeZone);
  if (clocks.size >= MAX_CLOCKS) clocks.clear();
  let clock: WeekClock | undefined;
  try {
    clock = createWeekClock(timeZone);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  clocks.set(timeZone, clock);
  return clock;
}

/** What is wrong with a window, in a few words; undefined when nothing is. */
export function windowProblem({ from, to, timeZone }: Window): Localized | undefined {
  if (Number.isNaN(minutesOf(from)) || from === '24:00')
    return {
      en: 'a window with a from of HH:MM, 00:00 to 23:59',
      zh: '时段，其 from 为 HH:MM（00:00 至 23:59）',
    };
  if (Number.isNaN(minutesOf(to)))
    return {
      en: 'a window with a to of HH:MM, 00:00 to 24:00',
      zh: '时段，其 to 为 HH:MM（00:00 至 24:00）',
    };
  if (from === to)
    return { en: 'a window whose from and to are not the same minute', zh: '起止时间不同的时段' };
  return weekClock(timeZone) === undefined
    ? {
        en: 'a window with a known time zone, such as Asia/Shanghai',
        zh: '时区有效的时段，例如 Asia/Shanghai',
      }
    : undefined;
}

function compileWindow(window: Window): TimeWindows {
  const clock = weekClock(window.timeZone);
  // A window with a mistake in it stays a restriction.
  if (clock === undefined || windowProblem(window) !== undefined) return () => false;
  const from = minutesOf(window.from);
  const to = minutesOf(window.to);
  const length = to > from ? to - from : to + DAY - from;
  const starts = window.days.map((day) => DAYS.indexOf(day) * DAY + from);
  return (at) => {
    const now = clock(at);
    return starts.some((start) => (now - start + WEEK) % WEEK < length);
  };
}

/** One window that holds is enough; none at all is never. */
export function compileWindows(windows: readonly Window[]): TimeWindows {
  const compiled = windows.map(compileWindow);
  return (at) => compiled.some((holds) => holds(at));
}
