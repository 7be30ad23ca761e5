import { errorBodyWith, refusal } from '../messages.ts';
import { missingFile } from './fields.ts';
import { readForm } from './multipart.ts';
import { BINARY, fileWith } from './operation.ts';
import { readRembgForm, readRembgQuery, rembgForm, rembgGetQuery, rembgPostQuery } from './rembg-fields.ts';
import type { Endpoint, Surface } from './surface.ts';
import { runPicture, sendPicture } from './work.ts';

const PNG = { description: 'The cut-out or the mask.', content: { 'image/png': BINARY } };

const post: Endpoint = {
  method: 'POST',
  path: '/api/remove',
  operation: {
    tag: 'rembg',
    summary: { en: 'Remove the background, as rembg’s server does', zh: '去除背景（与 rembg 服务器相同）' },
    query: rembgPostQuery,
    body: { 'multipart/form-data': fileWith('file', rembgForm) },
    responses: { 200: PNG },
  },
  async handle(exchange) {
    const { request, api } = exchange;
    const order = await api.uploads.during(async () => {
      const { fields, files } = await readForm(request, api.maxBodyBytes);
      const asked = readRembgForm(fields, request.originalUrl);
      const bytes = files.get('file');
      if (bytes === undefined) throw missingFile('file', files.keys());
      return { ...asked, bytes };
    });
    sendPicture(exchange, await runPicture(exchange, order), 'image/png');
  },
};

const get: Endpoint = {
  method: 'GET',
  path: '/api/remove',
  operation: {
    tag: 'rembg',
    summary: {
      en: 'The same of a picture at an address; off unless the service is configured for it',
      zh: '处理网址上的图片；除非服务已启用，否则关闭',
    },
    query: rembgGetQuery,
    responses: { 200: PNG },
  },
  async handle(exchange) {
    const { request, api, departed } = exchange;
    const { fetchImage } = api;
    if (fetchImage === undefined) throw refusal('remote_images_off');
    const { address, ...asked } = readRembgQuery(request.originalUrl);
    const bytes = await api.uploads.during(() => fetchImage(address, 'url', departed));
    sendPicture(exchange, await runPicture(exchange, { ...asked, bytes }), 'image/png');
  },
};

/** `/api/remove` with the fields and the meaning of `rembg s`. Its clients look for `detail` in an error. */
export const rembg: Surface = {
  prefixes: ['/api'],
  endpoints: [post, get],
  errorBody: (error, message, requestId) => ({
    detail: message,
    ...errorBodyWith(error, message, requestId),
  }),
};
