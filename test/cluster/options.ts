/** The command line: pure. */
import { parseArgs } from 'node:util';
import { UsageError } from '../../foundation/errors.ts';
import { NAME_PATTERN } from './layout.ts';

export const commands = [
  'up',
  'down',
  'images',
  'status',
  'logs',
  'kubectl',
  'helm',
  'test',
  'build',
  'help',
] as const;
export type Command = (typeof commands)[number];

export interface Options {
  command: Command;
  name: string;
  kubeconfig: string | undefined;
  gpus: number;
  mig: Record<string, number>;
  maxPods: number;
  /** What follows the command: for kubectl and helm everything, untouched. */
  rest: string[];
}

const flags = {
  name: { type: 'string' },
  kubeconfig: { type: 'string' },
  gpus: { type: 'string' },
  mig: { type: 'string', multiple: true },
  'max-pods': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const PASSED_ON: readonly Command[] = ['kubectl', 'helm'];

function wholeNumber(flag: string, text: string | undefined, fallback: number, most: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > most)
    throw new UsageError(`${flag} is a whole number up to ${most}, not «${text}»`);
  return value;
}

/** `1g.10gb=2` → profile and count, as in NVIDIA's resource names `nvidia.com/mig-1g.10gb`. */
export function parseMig(texts: readonly string[]): Record<string, number> {
  const mig: Record<string, number> = {};
  for (const text of texts) {
    const match = /^([1-7]g\.\d{1,3}gb(?:\.me)?)=(\d{1,3})$/.exec(text);
    if (match === null) throw new UsageError(`--mig is PROFILE=COUNT, such as 1g.10gb=2, not «${text}»`);
    mig[match[1] ?? ''] = Number(match[2]);
  }
  return mig;
}

/** Splits before the command word: what follows kubectl or helm is theirs. */
function split(given: readonly string[]): { own: string[]; passedOn: string[] } {
  const at = given.findIndex((word, index) => !word.startsWith('-') && !takesValue(given[index - 1]));
  if (at < 0 || !PASSED_ON.some((command) => command === given[at])) return { own: [...given], passedOn: [] };
  return { own: given.slice(0, at + 1), passedOn: given.slice(at + 1) };
}

function takesValue(previous: string | undefined): boolean {
  return previous !== undefined && /^--(name|kubeconfig|gpus|mig|max-pods)$/.test(previous);
}

/** @throws UsageError for what is not understood. */
export function parseCommandLine(given: readonly string[]): Options {
  const { own, passedOn } = split(given);
  let parsed;
  try {
    parsed = parseArgs({ args: own, options: flags, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [word = 'help', ...rest] = positionals;
  const command = values.help === true ? 'help' : commands.find((known) => known === word);
  if (command === undefined)
    throw new UsageError(`There is no command «${word}». Known: ${commands.join(', ')}`);
  const name = values.name ?? 'default';
  if (!NAME_PATTERN.test(name)) {
    throw new UsageError(
      `--name is up to 30 of a-z, 0-9 and -, with a letter or digit at both ends, not «${name}»`,
    );
  }
  return {
    command,
    name,
    kubeconfig: values.kubeconfig,
    gpus: wholeNumber('--gpus', values.gpus, 0, 1024),
    mig: parseMig(values.mig ?? []),
    maxPods: wholeNumber('--max-pods', values['max-pods'], 110, 1000),
    rest: [...rest, ...passedOn],
  };
}
