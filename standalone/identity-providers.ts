import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import {
  type IdentityProviderConfig,
  identityProvidersConfig,
} from '../control-plane/identity/providers/config.ts';
import { type Path, pathText } from '../crds/path.ts';
import { readYaml, type YamlDocument } from '../crds/yaml-source.ts';
import { messageOf, UsageError } from '../foundation/errors.ts';

const MAX_BYTES = 256 * 1024;
const FILE_FIELDS = ['clientSecretFile', 'appSecretFile', 'bindPasswordFile', 'caFile'] as const;

interface Problem {
  path: Path;
  message: string;
}

/**
 * Reads the list of identity providers from a YAML or JSON file. The files that it names count from its own folder.
 * @throws UsageError with every problem, as `FILE:LINE:COLUMN: FIELD: what is wrong`.
 */
export async function loadIdentityProviders(
  file: string,
  tenants: readonly string[],
): Promise<IdentityProviderConfig[]> {
  const document = documentOf(file, await readText(file));
  const fail = (problems: readonly Problem[]): never => {
    const lines = problems.map(({ path, message }) => {
      const { line, column } = document.positionOf(path, 'value');
      return `${file}:${line}:${column}: ${path.length === 0 ? '' : `${pathText(path)}: `}${message}`;
    });
    throw new UsageError(lines.join('\n'));
  };
  const parsed = identityProvidersConfig.safeParse(document.value);
  if (!parsed.success) return fail(parsed.error.issues.flatMap(problemsOf));
  const providers = parsed.data.map((provider) => withPaths(provider, dirname(file)));
  const problems = [
    ...providers.flatMap((provider, index) => unknownTenants(provider, index, tenants)),
    ...(await Promise.all(providers.map(unreadableFiles))).flat(),
  ];
  return problems.length > 0 ? fail(problems) : providers;
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, and at most ${MAX_BYTES} are read`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    throw new UsageError(`--identity-providers ${file}: ${messageOf(error)}`);
  }
}

function documentOf(file: string, text: string): YamlDocument {
  const { documents, problems } = readYaml(text);
  if (problems.length > 0)
    throw new UsageError(
      problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'),
    );
  const [document, second] = documents;
  if (document === undefined || second !== undefined)
    throw new UsageError(`${file}:1:1: one list of identity providers is expected, in one document`);
  return document;
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key], message: 'there is no such field' }));
  return [{ path, message: issue.message }];
}

function withPaths(provider: IdentityProviderConfig, folder: string): IdentityProviderConfig {
  const absolute = FILE_FIELDS.flatMap((field) => {
    const named = fileOf(provider, field);
    return named === undefined ? [] : [[field, resolve(folder, named)] as const];
  });
  return { ...provider, ...Object.fromEntries(absolute) };
}

function fileOf(provider: IdentityProviderConfig, field: (typeof FILE_FIELDS)[number]): string | undefined {
  const named: unknown = Object.entries(provider).find(([name]) => name === field)?.[1];
  return typeof named === 'string' ? named : undefined;
}

function unknownTenants(
  { tenants }: IdentityProviderConfig,
  index: number,
  known: readonly string[],
): Problem[] {
  return tenants.flatMap((tenant, at) =>
    known.includes(tenant)
      ? []
      : [
          {
            path: [index, 'tenants', at],
            message: `there is no tenant ${tenant} in --objects; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`,
          },
        ],
  );
}

async function unreadableFiles(provider: IdentityProviderConfig, index: number): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const field of FILE_FIELDS) {
    const path = fileOf(provider, field);
    if (path === undefined) continue;
    await access(path, constants.R_OK).catch((error: unknown) => {
      problems.push({ path: [index, field], message: `the file cannot be read: ${messageOf(error)}` });
    });
  }
  return problems;
}
