import { z } from 'zod';

export const keysConfig = z.strictObject({
  systemNamespace: z.string().min(1),
  dmzNamespace: z.string().min(1),
  /** Whether the trial database needs passwords. */
  trialDatabase: z.boolean(),
  assertion: z.enum(['keep', 'publish', 'sign', 'retire']),
});
export type KeysConfig = z.infer<typeof keysConfig>;
