import { z } from 'zod';

/** The one shape of every error that leaves the product. `code` is stable; `message` is a sentence for people. */
export const errorBody = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^[a-z][a-z0-9_]*$/),
    message: z.string(),
    requestId: z.string(),
    /** What a program may want to know besides the code: a limit, a field, a time. */
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});

export type ErrorBody = z.infer<typeof errorBody>;
