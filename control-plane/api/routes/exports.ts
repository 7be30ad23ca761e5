import { z } from 'zod';
import { exportModel } from '../access/exports.ts';
import { time, word } from '../fields.ts';
import { created, needsUnlessOwn, operation, type Operation } from '../operation.ts';

/** Leave to take the files of a model out: a permission of its own, and never in bulk. */
export const exportOperations: Operation[] = [
  operation({
    method: 'post',
    path: '/api/v1/model-exports',
    subject: 'access',
    summary: { en: 'Asks for leave to take the files of one model out', zh: '申请导出一个模型的文件' },
    access: needsUnlessOwn('export', 'model'),
    // A bulk attempt must get as far as its alert.
    body: z.strictObject({ models: z.array(word(253)).min(1).max(1000).describe('One; more are refused') }),
    bodyLimit: '300kb',
    answers: {
      201: z.strictObject({
        id: z.uuid(),
        model: z.string(),
        files: z.array(z.strictObject({ name: z.string(), sha256: z.string(), size: z.int() })),
        expiresAt: time,
      }),
    },
    errors: ['bulk_export_refused', 'model_not_found', 'principal_not_found'],
    handle: async ({ claims, body }, context) => created(await exportModel(context, claims, body.models)),
  }),
];
