import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startUpstream, type Upstream } from '../integration/gateway/upstream.ts';
import { createBrowserClient } from '../support/browser-client.ts';
import { until } from '../support/program.ts';
import { type Slapd, startSlapd } from '../support/slapd.ts';
import { npmStart, processesNaming, type Standalone } from '../support/standalone.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let slapd: Slapd;
let upstream: Upstream;
const started: Standalone[] = [];

const objects = (): string => `apiVersion: imageplane.dev/v1alpha1
kind: Tenant
metadata: {name: demo}
spec:
  displayName: Demo
  plan: enterprise
  groups: [{name: designers, role: developer}]
---
apiVersion: imageplane.dev/v1alpha1
kind: ImageService
metadata: {name: pages, namespace: tenant-demo}
spec:
  displayName: Pages
  engine: container
  container: {localURL: '${upstream.url}'}
`;
const provider = (): string => `- type: ldap
  name: directory
  label: {en: Staff directory, zh: 员工目录}
  tenants: [demo]
  url: ${slapd.url}
  bindDn: ${slapd.adminDn}
  bindPasswordFile: directory.password
  userBase: ou=people,${slapd.suffix}
  userFilter: (objectClass=inetOrgPerson)
  groupBase: ou=groups,${slapd.suffix}
`;

before(async () => {
  [slapd, upstream] = await Promise.all([startSlapd(), startUpstream()]);
  folder = await mkdtemp(join(tmpdir(), 'imageplane-start-'));
  // As root, Postgres runs as another user, who must come to the data.
  await chmod(folder, 0o755);
  await writeFile(join(folder, 'objects.yaml'), objects());
  await writeFile(join(folder, 'directory.password'), slapd.adminPassword, { mode: 0o600 });
});
after(async () => {
  for (const { killHard } of started) killHard();
  const data = join(folder, 'data');
  await until('nothing runs', async () => (await processesNaming(data)).length === 0);
  await Promise.all([slapd.stop(), upstream.close()]);
  await rm(folder, { recursive: true, force: true });
});

async function start(providers: string): Promise<Standalone> {
  const file = join(folder, 'providers.yaml');
  await writeFile(file, providers);
  const standalone = npmStart(CHECKOUT, [
    ...['--port', '0', '--data-dir', join(folder, 'data'), '--cache-dir', join(folder, 'cache')],
    ...['--objects', join(folder, 'objects.yaml'), '--identity-providers', file, '--offline'],
  ]);
  started.push(standalone);
  return standalone;
}

describe(
  'npm start with identity providers',
  { concurrency: false, skip: process.platform !== 'linux' && 'reads /proc' },
  () => {
    it('says line and field of what is wrong with them, and starts nothing', async () => {
      const standalone = await start(provider().replace('userBase', 'usersBase'));
      assert.equal(await standalone.exited, 2);
      assert.match(standalone.output(), /providers\.yaml:8:\d+: \[0\]\.usersBase: there is no such field/);
    });

    it('lets a person of the directory open a page of a service', async () => {
      const ada = await slapd.addPerson('ada', 'a password of hers');
      await slapd.addGroup('designers', [ada]);
      const standalone = await start(provider());
      const [url = ''] = await standalone.printed(/http:\/\/(?:localhost|127\.0\.0\.1):\d+/);
      const origin = url.replace('localhost', '127.0.0.1');
      const page = '/s/demo/pages/page';
      const browser = createBrowserClient();
      const form = { login: 'ada', password: 'a password of hers', next: page };
      await until('the page opens', async () => {
        const { response } = await browser.follow(`${origin}/auth/providers/directory/password`, { form });
        return response.status === 200 && (await response.text()) === '<h1>page</h1>';
      });
      assert.equal(decodeURIComponent(String(upstream.seen.at(-1)?.headers['x-user-name'])), 'ada');
      const signIn = await fetch(`${origin}/auth/sign-in`, { headers: { 'accept-language': 'zh' } });
      assert.match(await signIn.text(), /员工目录/);
      standalone.pressCtrlC();
      await standalone.printed(/Stopped\./);
    });
  },
);
