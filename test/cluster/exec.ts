import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

const KEPT_OUTPUT = 256 * 1024;

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface ExecOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  input?: string;
  /** Gets each piece of standard error as it comes, for progress. */
  onStderr?: (text: string) => void;
}

/** The last part of a growing text: what a program said last is what explains its end. */
function append(kept: string, more: string): string {
  const text = kept + more;
  return text.length > KEPT_OUTPUT ? text.slice(-KEPT_OUTPUT) : text;
}

/** Runs a command to its end, whatever its exit code; 127 when there is no such command. */
export async function attempt(
  command: string,
  parameters: readonly string[],
  options: ExecOptions = {},
): Promise<Outcome> {
  const child = spawn(command, parameters, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  const outcome: Outcome = { code: 127, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    // Not trimmed: callers parse it.
    outcome.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    outcome.stderr = append(outcome.stderr, text);
    options.onStderr?.(text);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    outcome.code = code ?? 128;
    if (signal !== null) outcome.stderr += `\n(ended by ${signal})`;
  } catch (error) {
    outcome.stderr = error instanceof Error ? error.message : String(error);
  }
  return outcome;
}

/** Runs a command and gives its standard output; throws with what it said when it fails. */
export async function execute(
  command: string,
  parameters: readonly string[],
  options: ExecOptions = {},
): Promise<string> {
  const outcome = await attempt(command, parameters, options);
  if (outcome.code !== 0) {
    const said = (outcome.stderr.trim() || outcome.stdout.trim()).slice(-4000);
    throw new Error(`${[command, ...parameters].join(' ').slice(0, 300)} failed (${outcome.code}): ${said}`);
  }
  return outcome.stdout;
}

/** Full path of a command in the folders of a PATH-like list, or undefined. */
export async function findCommand(name: string, path: string | undefined): Promise<string | undefined> {
  for (const folder of (path ?? '').split(delimiter).filter((part) => part !== '')) {
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
