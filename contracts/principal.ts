import { z } from 'zod';

/** From the highest to the lowest. */
export const role = z.enum([
  'platform-admin',
  'tenant-admin',
  'developer',
  'editor',
  'tester',
  'viewer',
  'guest',
]);
export type Role = z.infer<typeof role>;

/** Who acts. A principal belongs to exactly one tenant. */
export const principal = z.strictObject({
  id: z.string().min(1),
  tenant: z.string().min(1),
  kind: z.enum(['user', 'application']),
  name: z.string().min(1),
  department: z.string().default(''),
  role,
});
export type Principal = z.infer<typeof principal>;

/** A principal as the snapshot holds it. */
export const principalEntry = principal.extend({
  /** Raised when role, password or membership change: sessions of an older epoch end at once. */
  epoch: z.int().nonnegative().default(0),
  customRoles: z.array(z.string()).default([]),
  projects: z.array(z.string()).default([]),
  expiresAt: z.iso.datetime().optional(),
});
export type PrincipalEntry = z.infer<typeof principalEntry>;
