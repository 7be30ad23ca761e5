import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

const profile = z.array(
  z.object({ cat: z.string(), args: z.object({ provider: z.string().optional() }).optional() }),
);

/** Runs of nodes by execution provider, from a profile that ONNX Runtime wrote. @throws on another text. */
export function placementOf(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { cat, args } of profile.parse(JSON.parse(text))) {
    const provider = args?.provider;
    if (cat === 'Node' && provider !== undefined) counts[provider] = (counts[provider] ?? 0) + 1;
  }
  return counts;
}

/**
 * Nothing in the binding says where a session runs, and nodes that a provider does not know go to the CPU unsaid. A
 * profile of the first run says it; these options ask for one, and `read` gives it once profiling has ended.
 */
export async function watchPlacement(): Promise<{
  options: { enableProfiling: true; profileFilePrefix: string };
  read: () => Promise<Record<string, number>>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-profile-'));
  return {
    options: { enableProfiling: true, profileFilePrefix: join(folder, 'profile') },
    async read() {
      try {
        const [file] = await readdir(folder);
        if (file === undefined) throw new Error(`ONNX Runtime wrote no profile to ${folder}`);
        return placementOf(await readFile(join(folder, file), 'utf8'));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}
