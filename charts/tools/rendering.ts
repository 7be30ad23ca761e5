import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { checkConfigurations } from './configurations.ts';
import { accepted, refused } from './matrix.ts';

const CHART = join(__dirname, '..', 'imageplane');
const NAMESPACE = 'imageplane-system';
const MAX_OUTPUT = 64 * 1024 * 1024;

interface Tools {
  helm: string;
  kubectl: string;
  kubeconfig: string;
  folder: string;
}

/**
 * Renders the chart for every entry of the matrix, and has a real API server check every object by a dry run, unknown
 * fields included. Refused entries must be refused with their sentence.
 * @returns problems, one sentence each.
 */
export async function checkRendering(say: (line: string) => void): Promise<string[]> {
  const { ensureBinaries, printProgress } = await import('../../test/cluster/binaries.ts');
  const { startApiServer } = await import('../../test/apiserver/apiserver.ts');
  const { helm, kubectl } = await ensureBinaries(['helm', 'kubectl'], { onProgress: printProgress });
  const server = await startApiServer();
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-chart-'));
  const tools = { helm, kubectl, kubeconfig: server.kubeconfig, folder };
  const problems: string[] = [];
  try {
    await prepare(tools);
    for (const [name, values] of Object.entries(accepted)) {
      const found = await checkAccepted(tools, values);
      say(`${found.problems.length === 0 ? 'accepted' : 'REFUSED'}  ${name} (${found.objects} objects)`);
      problems.push(...found.problems.map((problem) => `${name}: ${problem}`));
    }
    for (const [name, { values, says }] of Object.entries(refused)) {
      const problem = await checkRefused(tools, values, says);
      say(`${problem === undefined ? 'refused' : 'ACCEPTED'}   ${name}`);
      if (problem !== undefined) problems.push(`${name}: ${problem}`);
    }
    return problems;
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a dry run does not make: the namespaces, and definitions of others that the chart can make objects of. */
async function prepare(tools: Tools): Promise<void> {
  const namespaces = [NAMESPACE, 'imageplane-dmz', 'edge'].map((name) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  }));
  const foreign = [
    { group: 'cert-manager.io', kind: 'Certificate' },
    { group: 'monitoring.coreos.com', kind: 'ServiceMonitor' },
  ].map(openDefinition);
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...namespaces, ...foreign] });
  await apply(tools, list, []);
  const names = foreign.map(({ metadata }) => `crd/${metadata.name}`);
  await kubectl(tools, ['wait', '--for=condition=Established', '--timeout=60s', ...names]);
}

/** A definition that takes anything: what others' fields mean is theirs to check. */
function openDefinition({ group, kind }: { group: string; kind: string }) {
  const singular = kind.toLowerCase();
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${singular}s.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural: `${singular}s`, singular },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

async function checkAccepted(
  tools: Tools,
  values: unknown,
): Promise<{ objects: number; problems: string[] }> {
  const rendered = await template(tools, values);
  if (rendered.code !== 0) return { objects: 0, problems: [`helm refused it: ${rendered.stderr.trim()}`] };
  const objects = parseAllDocuments(rendered.stdout).filter((document) => document.toJS() !== null).length;
  try {
    await apply(tools, rendered.stdout, ['--dry-run=server']);
    return { objects, problems: await checkConfigurations(rendered.stdout) };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return { objects, problems: said.split('\n').filter((line) => /error|invalid|forbidden/i.test(line)) };
  }
}

async function checkRefused(tools: Tools, values: unknown, says: RegExp): Promise<string | undefined> {
  const { code, stderr } = await template(tools, values);
  if (code === 0) return 'helm rendered it';
  return says.test(stderr) ? undefined : `the refusal says something else: ${stderr.trim()}`;
}

async function template(
  { helm, folder }: Tools,
  values: unknown,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = join(folder, 'values.json');
  await writeFile(file, JSON.stringify(values));
  const given = ['template', 'imageplane', CHART, '--namespace', NAMESPACE, '--values', file];
  // Otherwise helm takes the oldest Kubernetes that it knows, and looks for others' definitions.
  const options = ['--kube-version', '1.36.0'];
  return new Promise((resolve) => {
    execFile(helm, [...given, ...options], { maxBuffer: MAX_OUTPUT }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, stdout, stderr });
    });
  });
}

async function apply(tools: Tools, objects: string, more: readonly string[]): Promise<void> {
  const file = join(tools.folder, 'objects.yaml');
  await writeFile(file, objects);
  await kubectl(tools, [
    ...['apply', '--server-side', '--force-conflicts', '--validate=strict', '--filename', file],
    ...more,
  ]);
}

async function kubectl(tools: Tools, parameters: readonly string[]): Promise<void> {
  await promisify(execFile)(tools.kubectl, [...parameters], {
    env: { ...process.env, KUBECONFIG: tools.kubeconfig },
    maxBuffer: MAX_OUTPUT,
  });
}
