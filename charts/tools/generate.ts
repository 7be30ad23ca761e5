import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { valuesSchema } from './json-schema.ts';
import { valuesPage } from './values-page.ts';
import { valuesYaml } from './values-yaml.ts';

const ROOT = join(__dirname, '..', '..');
const CHART = join(ROOT, 'charts', 'imageplane');

/** Roles are needed whether guards are installed or not. */
const ROLES = 'cluster-roles.yaml';

interface Copy {
  from: string;
  to: string;
  takes: (name: string) => boolean;
  change: (text: string) => string;
}

/** Folders of the chart that hold copies and nothing else, and where those come from. */
const copies: readonly Copy[] = [
  { from: join(ROOT, 'crds'), to: join(CHART, 'files', 'crds'), takes: () => true, change: keptByHelm },
  {
    from: join(ROOT, 'operator', 'guards'),
    to: join(CHART, 'files', 'guards'),
    takes: (name) => name !== ROLES,
    change: marked,
  },
  {
    from: join(ROOT, 'operator', 'guards'),
    to: join(CHART, 'files', 'roles'),
    takes: (name) => name === ROLES,
    change: marked,
  },
];

interface Generated {
  path: string;
  /** Undefined: the file should not be there. */
  text: string | undefined;
}

/** What the chart's generated files should be. Writes nothing. */
async function generated(): Promise<Generated[]> {
  const schema = valuesSchema();
  const files: Generated[] = [
    await formatted(join(CHART, 'values.yaml'), valuesYaml(schema)),
    await formatted(join(CHART, 'values.schema.json'), JSON.stringify(schema)),
    await formatted(join(ROOT, 'docs', 'reference', 'values.md'), valuesPage(schema)),
  ];
  for (const { from, to, takes, change } of copies) {
    const names = (await yamlFiles(from)).filter(takes);
    for (const name of names)
      files.push({ path: join(to, name), text: change(await readFile(join(from, name), 'utf8')) });
    for (const name of await yamlFiles(to))
      if (!names.includes(name)) files.push({ path: join(to, name), text: undefined });
  }
  return files;
}

async function formatted(path: string, text: string): Promise<Generated> {
  return { path, text: await format(text, { ...(await resolveConfig(path)), filepath: path }) };
}

async function yamlFiles(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => /\.ya?ml$/.test(name)).sort();
}

function marked(text: string): string {
  return `# A copy; made by \`npm run chart -- generate\`, do not edit.\n${text}`;
}

/** A definition that goes takes every object of its kind with it: `helm uninstall` leaves it. */
function keptByHelm(text: string): string {
  const changed = text.replace(
    /^metadata:\n/m,
    'metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n',
  );
  if (changed === text) throw new Error('A definition has no metadata at its root.');
  return marked(changed);
}

/** Writes what is not as it should be. @returns paths of what was written or removed, from the checkout's root. */
export async function generate(): Promise<string[]> {
  const stale = await staleFiles();
  for (const { path, text } of stale) {
    await mkdir(dirname(path), { recursive: true });
    if (text === undefined) await rm(path);
    else await writeFile(path, text);
  }
  return stale.map(({ path }) => relative(ROOT, path));
}

/** Paths, from the checkout's root, of what `generate` would change. */
export async function stalePaths(): Promise<string[]> {
  return (await staleFiles()).map(({ path }) => relative(ROOT, path));
}

async function staleFiles(): Promise<Generated[]> {
  const files = await generated();
  const found = await Promise.all(
    files.map(async (file) => ({ file, now: await readFile(file.path, 'utf8').catch(() => undefined) })),
  );
  return found.filter(({ file, now }) => file.text !== now).map(({ file }) => file);
}
