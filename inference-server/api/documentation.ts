import { z } from 'zod';
import type { Language } from '../../foundation/language.ts';
import { escapeHtml, htmlPage, pageHeaders } from '../../foundation/page.ts';
import { errorBodyWith } from '../messages.ts';
import type { Endpoint, Exchange, Surface } from './surface.ts';

type DocumentIn = (language: Language) => Record<string, unknown>;

const schema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  default: z.unknown().optional(),
  description: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
});
const content = z.record(z.string(), z.looseObject({ schema: schema.optional() }));
const parameter = z.looseObject({
  name: z.string(),
  in: z.string(),
  required: z.boolean(),
  description: z.string().optional(),
  schema,
});
const operation = z.looseObject({
  summary: z.string(),
  tags: z.array(z.string()),
  parameters: z.array(parameter).default([]),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(
    z.string(),
    z.looseObject({ description: z.string().optional(), content: content.optional() }),
  ),
});
/** As much of an OpenAPI document as the page shows. */
const shown = z.looseObject({
  info: z.looseObject({ title: z.string(), version: z.string(), description: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  'x-error-codes': z.record(z.string(), z.string()),
});
type Operation = z.infer<typeof operation>;
type Schema = z.infer<typeof schema>;

const text = {
  en: {
    title: 'Cut-outs from pictures',
    what: 'This service takes a photo and gives its subject without the background, as a PNG, WebP or AVIF picture with transparency, or as JPEG before a colour.',
    choose: 'A photo (JPEG, PNG, WebP or AVIF)',
    send: 'Remove the background',
    program: 'From a program',
    curl: 'With the key that your console shows, sent to the address of this page:',
    more: 'Everything that can be asked',
    machine: 'for programs, as OpenAPI 3.1',
    docs: 'What can be asked',
    back: 'Send a photo in the browser',
    name: 'Name',
    inPath: 'in the path',
    values: 'Values',
    meaning: 'Meaning',
    body: 'Body',
    answers: 'Answers',
    errors: 'Error codes',
    required: 'required',
    byDefault: 'default',
    other: 'otherwise: an error, as below',
  },
  zh: {
    title: '图片抠图',
    what: '此服务接收一张照片，返回去除背景后的主体，格式为带透明度的 PNG、WebP 或 AVIF 图片，或衬有底色的 JPEG。',
    choose: '照片（JPEG、PNG、WebP 或 AVIF）',
    send: '去除背景',
    program: '在程序中使用',
    curl: '使用控制台显示的密钥，发送到本页面的地址：',
    more: '全部接口',
    machine: '供程序使用的 OpenAPI 3.1 文档',
    docs: '接口说明',
    back: '在浏览器中发送照片',
    name: '名称',
    inPath: '位于路径中',
    values: '取值',
    meaning: '含义',
    body: '请求体',
    answers: '响应',
    errors: '错误码',
    required: '必填',
    byDefault: '默认',
    other: '其他情况：错误，见下文',
  },
} satisfies Record<Language, Record<string, string>>;

const CURL = `curl -H "Authorization: Bearer $KEY" \\
  -F file=@photo.jpg -o cutout.png \\
  "$ADDRESS/v1/cutouts"`;

function rootPage(language: Language): string {
  const words = text[language];
  return htmlPage({
    language,
    title: words.title,
    body: `<p>${words.what}</p>
<form method="post" action="v1/cutouts" enctype="multipart/form-data">
<label for="file">${words.choose}</label>
<input id="file" name="file" type="file" accept="image/*" required>
<button type="submit">${words.send}</button>
</form>
<h2>${words.program}</h2>
<p>${words.curl}</p>
<pre><code>${escapeHtml(CURL)}</code></pre>
<p><a href="docs">${words.more}</a> · <a href="openapi.json">openapi.json</a> (${words.machine})</p>`,
  });
}

function docsPage(language: Language, document: Record<string, unknown>): string {
  const words = text[language];
  const { info, paths, 'x-error-codes': codes } = shown.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, each]) => ({ path, method, each })),
  );
  const tags = [...new Set(operations.flatMap(({ each }) => each.tags))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ each }) => each.tags.includes(tag));
    return `<h2>${escapeHtml(tag)}</h2>\n${own.map((one) => operationHtml(one, language)).join('\n')}`;
  });
  const rows = Object.entries(codes).map(([code, sentence]) => [
    `<code>${code}</code>`,
    escapeHtml(sentence),
  ]);
  return htmlPage({
    language,
    title: words.docs,
    wide: true,
    body: `<p>${escapeHtml(info.description)}</p>
<p><a href="./">${words.back}</a> · <a href="openapi.json">openapi.json</a> (${words.machine}, ${escapeHtml(info.version)})</p>
${sections.join('\n')}
<h2>${words.errors}</h2>
${table([], rows)}`,
  });
}

function operationHtml(
  { path, method, each }: { path: string; method: string; each: Operation },
  language: Language,
): string {
  const words = text[language];
  const parameters = each.parameters.map(({ name, in: where, required, description, schema: type }) =>
    row(name, { where, required }, { ...type, description: description ?? type.description }, language),
  );
  const bodies = Object.entries(each.requestBody?.content ?? {}).map(
    ([type, { schema: of }]) =>
      `<p>${words.body}: <code>${escapeHtml(type)}</code></p>\n${table(
        [words.name, words.values, words.meaning],
        propertyRows(of, language),
      )}`,
  );
  const answers = Object.entries(each.responses).map(([status, { description, content: given }]) => {
    const types = Object.keys(given ?? {}).map((type) => `<code>${escapeHtml(type)}</code>`);
    const what = status === 'default' ? words.other : escapeHtml(description ?? '');
    return `<li>${status === 'default' ? '' : `${status}: `}${what} ${types.join(', ')}</li>`;
  });
  return `<details><summary><code>${method.toUpperCase()} ${escapeHtml(path)}</code> — ${escapeHtml(each.summary)}</summary>
${table([words.name, words.values, words.meaning], parameters)}
${bodies.join('\n')}
<p>${words.answers}</p>
<ul>${answers.join('')}</ul>
</details>`;
}

function propertyRows(of: Schema | undefined, language: Language): string[][] {
  return Object.entries(of?.properties ?? {}).map(([name, property]) => {
    const parsed = schema.safeParse(property);
    return row(
      name,
      { where: '', required: of?.required?.includes(name) === true },
      parsed.data ?? {},
      language,
    );
  });
}

function row(
  name: string,
  { where, required }: { where: string; required: boolean },
  of: Schema,
  language: Language,
): string[] {
  const words = text[language];
  const values = (of.enum ?? (of.const === undefined ? [] : [of.const])).map(
    (value) => `<code>${escapeHtml(String(value))}</code>`,
  );
  const type = Array.isArray(of.type) ? of.type.join(' | ') : (of.type ?? '');
  const notes = [
    values.length === 0 ? escapeHtml(type) : values.join(' | '),
    where === 'path' ? words.inPath : required ? words.required : '',
    of.default === undefined
      ? ''
      : `${words.byDefault}: <code>${escapeHtml(JSON.stringify(of.default))}</code>`,
  ];
  return [
    `<code>${escapeHtml(name)}</code>`,
    notes.filter((note) => note !== '').join('; '),
    escapeHtml(of.description ?? ''),
  ];
}

/** Cells are HTML. */
function table(head: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return '';
  const cells = (tag: string, values: readonly string[]): string =>
    `<tr>${values.map((value) => `<${tag}>${value}</${tag}>`).join('')}</tr>`;
  return `<table>${head.length === 0 ? '' : cells('th', head)}${rows.map((each) => cells('td', each)).join('')}</table>`;
}

function sendPage({ response, request }: Exchange, html: string): void {
  response.writeHead(200, { ...pageHeaders, 'content-length': Buffer.byteLength(html) });
  response.end(request.method === 'HEAD' ? undefined : html);
}

function page(
  path: string,
  summary: Record<Language, string>,
  html: (language: Language) => string,
): Endpoint {
  return {
    method: 'GET',
    path,
    open: true,
    operation: { tag: 'documentation', summary, responses: { 200: { description: 'HTML.' } } },
    handle(exchange) {
      sendPage(exchange, html(exchange.language));
      return Promise.resolve();
    },
  };
}

/** What people and programs read to learn what can be asked. No network is needed, and no script runs. */
export function documentation(documentIn: DocumentIn): Surface {
  const document: Endpoint = {
    method: 'GET',
    path: '/openapi.json',
    open: true,
    operation: {
      tag: 'documentation',
      summary: { en: 'The OpenAPI document', zh: 'OpenAPI 文档' },
      responses: { 200: { description: 'OpenAPI 3.1.' } },
    },
    handle({ response, language }) {
      const json = JSON.stringify(documentIn(language));
      response.writeHead(200, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(json),
        vary: 'accept-language',
      });
      response.end(json);
      return Promise.resolve();
    },
  };
  return {
    prefixes: [],
    endpoints: [
      page('/', { en: 'A page to send a photo from', zh: '发送照片的页面' }, rootPage),
      page('/docs', { en: 'What can be asked', zh: '接口说明' }, (language) =>
        docsPage(language, documentIn(language)),
      ),
      document,
    ],
    errorBody: errorBodyWith,
  };
}
