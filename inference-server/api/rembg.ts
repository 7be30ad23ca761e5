import { errorBodyOf } from '../../foundation/errors.ts';
import { missingFile } from './fields.ts';
import { readForm } from './multipart.ts';
import { readRembgFields } from './rembg-fields.ts';
import type { Surface } from './surface.ts';

/** `POST /api/remove` with the fields and the meaning of `rembg s`. Its clients look for `detail` in an error. */
export const rembg: Surface = {
  route: '/api/remove',
  async read(request, maxBytes) {
    const { fields, files } = await readForm(request, maxBytes);
    const { model, options } = readRembgFields(fields, request.originalUrl);
    const bytes = files.get('file');
    if (bytes === undefined) throw missingFile('file', files.keys());
    return { model, bytes, options };
  },
  errorBody: (error, reader) => {
    const body = errorBodyOf(error, reader);
    return { detail: body.error.message, ...body };
  },
};
