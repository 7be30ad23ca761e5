import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { documentIn, SURFACES } from './app.ts';

interface Document {
  paths: Record<
    string,
    Record<
      string,
      {
        parameters?: { name: string; in: string; schema: { type?: string; enum?: string[] } }[];
        responses: Record<string, { content?: Record<string, unknown> }>;
      }
    >
  >;
}

describe('the OpenAPI document', () => {
  for (const language of ['en', 'zh'] as const)
    it(`in ${language} is valid OpenAPI 3.1`, async () => {
      const validator = new Validator();
      const { valid, errors } = await validator.validate(documentIn(language, '1.2.3'));
      assert.ok(valid, JSON.stringify(errors, undefined, 1));
      assert.equal(validator.version, '3.1');
    });

  it('has every endpoint, with every part of its path, and each only once', () => {
    const { paths } = documentIn('en', '1') as unknown as Document;
    const endpoints = SURFACES.flatMap((surface) => surface.endpoints);
    for (const { method, path } of endpoints) {
      const operation = paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
      assert.ok(operation !== undefined, `${method} ${path}`);
      const parts = operation.parameters?.filter((each) => each.in === 'path').map(({ name }) => name) ?? [];
      assert.deepEqual(
        parts,
        Array.from(path.matchAll(/:(\w+)/g), ([, name]) => name),
      );
    }
    const count = Object.values(paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0);
    assert.equal(count, endpoints.length);
  });

  it('says everything in Chinese that it says in English', () => {
    const descriptions = JSON.stringify(documentIn('zh', '1')).matchAll(
      /"(?:description|summary)":"([^"]+)"/g,
    );
    const english = Array.from(descriptions, ([, text = '']) => text).filter(
      (text) => !/\p{Script=Han}/u.test(text),
    );
    assert.deepEqual(english, []);
  });

  it('names every format of a result, wherever pictures are given', () => {
    const { paths } = documentIn('en', '1') as unknown as Document;
    const formats = ['png', 'jpeg', 'webp', 'avif'];
    for (const path of ['/v1/cutouts', '/v1/jobs']) {
      const parameters = paths[path]?.['post']?.parameters ?? [];
      const schemaOf = (name: string) => parameters.find((each) => each.name === name)?.schema;
      assert.deepEqual(schemaOf('format')?.enum, formats);
      assert.equal(schemaOf('quality')?.type, 'integer');
    }
    for (const operation of [paths['/v1/cutouts']?.['post'], paths['/v1/jobs/{job}/result']?.['get']])
      assert.deepEqual(
        Object.keys(operation?.responses['200']?.content ?? {}),
        formats.map((format) => `image/${format}`),
      );
  });

  it('gives parameters the types that they mean', () => {
    const { paths } = documentIn('en', '1') as unknown as Document;
    const parameters = paths['/api/remove']?.['get']?.parameters ?? [];
    const typeOf = (name: string): unknown => parameters.find((each) => each.name === name)?.schema.type;
    assert.deepEqual([typeOf('om'), typeOf('af'), typeOf('url')], ['boolean', 'integer', 'string']);
  });
});
