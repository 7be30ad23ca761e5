import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContext } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const PLACES = ['/Applications/Chromium.app/Contents/MacOS/Chromium'];

/** What to tell a person when `findChromium` finds none. */
export const chromiumAdvice =
  'These tests drive a Chromium. On Debian: apt-get install chromium. Or name the program in the variable CHROMIUM.';

/** Path of the Chromium to drive: the one that CHROMIUM names, else the first on PATH or in the usual places. */
export function findChromium(): string | undefined {
  const chosen = process.env['CHROMIUM'];
  if (chosen !== undefined && chosen !== '') return isExecutable(chosen) ? chosen : undefined;
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
    '/usr/bin',
  ];
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, ...PLACES].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a headless Chromium with an empty profile that makes no connection of its own.
 * @throws Error with `chromiumAdvice` when there is none.
 */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error(chromiumAdvice);
  return chromium.launch({
    executablePath,
    args: [
      // Chromium's sandbox needs a user namespace of its own, which root has not.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-gpu',
    ],
  });
}

/**
 * Refuses every request of the context's pages that leaves this machine, and gives the list, kept current, of the
 * addresses that were refused. Call it before the first page opens.
 */
export async function refuseOutsideRequests(context: BrowserContext): Promise<readonly string[]> {
  const refused: string[] = [];
  const isOutside = (url: URL): boolean =>
    ['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol) &&
    !['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname) &&
    !url.hostname.endsWith('.localhost');
  await context.route(isOutside, async (route) => {
    refused.push(route.request().url());
    await route.abort();
  });
  await context.routeWebSocket(isOutside, async (socket) => {
    refused.push(socket.url());
    await socket.close();
  });
  return refused;
}
