import { z } from 'zod';

/**
 * What may be granted: an action on resources named by a pattern. A resource is `KIND:NAME` (`service:cutout`,
 * `model:isnet-general-fp16`, `folder:campaigns/spring`); a pattern ends in `*` to mean all that begin so.
 */
export const permission = z.strictObject({
  actions: z.array(z.string().min(1)).min(1).max(50),
  resources: z
    .array(z.string().regex(/^[a-z]+:[^*]*\*?$/))
    .min(1)
    .max(100),
});
export type Permission = z.infer<typeof permission>;

/** When a grant or a custom role holds; every condition given must. */
export const conditions = z.strictObject({
  allowedCidrs: z.array(z.string()).max(100).optional(),
  intranetOnly: z.boolean().optional(),
  timeWindows: z
    .array(
      z.strictObject({
        days: z.array(z.enum(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])).min(1),
        from: z.string(),
        to: z.string(),
        timeZone: z.string(),
      }),
    )
    .max(32)
    .optional(),
  secondFactor: z.boolean().optional(),
  maxKeyAgeDays: z.int().positive().optional(),
});
export type Conditions = z.infer<typeof conditions>;

/** A role that a tenant's administrators made, besides the built-in ones. */
export const customRole = z.strictObject({
  tenant: z.string().min(1),
  name: z.string().min(1),
  permissions: z.array(permission),
  conditions: conditions.optional(),
});
export type CustomRole = z.infer<typeof customRole>;

/** A right given to a principal, to the members of a project, or to all who have a role. */
export const grant = z.strictObject({
  id: z.string().min(1),
  tenant: z.string().min(1),
  subject: z.strictObject({ kind: z.enum(['principal', 'project', 'role']), id: z.string().min(1) }),
  permission,
  conditions: conditions.optional(),
  expiresAt: z.iso.datetime().optional(),
});
export type Grant = z.infer<typeof grant>;
