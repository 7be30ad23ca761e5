import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'ldapts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { freePorts, until } from './program.ts';

const SUFFIX = 'dc=example,dc=com';
const ADMIN = `cn=admin,${SUFFIX}`;

/** OpenLDAP's own server, with people and groups, in a folder of its own. */
export interface Slapd {
  url: string;
  secureUrl: string;
  suffix: string;
  adminDn: string;
  adminPassword: string;
  certificate: Certificate;
  /** As the administrator. */
  change<T>(use: (client: Client) => Promise<T>): Promise<T>;
  addPerson(uid: string, password: string, attributes?: Record<string, string>): Promise<string>;
  addGroup(name: string, members: string[]): Promise<string>;
  stop(): Promise<void>;
}

export async function startSlapd(): Promise<Slapd> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-slapd-'));
  await chmod(folder, 0o700);
  const certificate = await makeCertificate(folder);
  const ports = await freePorts('plain', 'secure');
  const adminPassword = 'the administrator of the test';
  const data = join(folder, 'data');
  await mkdir(data);
  const configuration = join(folder, 'slapd.conf');
  await writeFile(
    configuration,
    `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${join(folder, 'slapd.pid')}
TLSCertificateFile ${certificate.certFile}
TLSCertificateKeyFile ${certificate.keyFile}
database mdb
maxsize 16777216
suffix "${SUFFIX}"
rootdn "${ADMIN}"
rootpw "${adminPassword}"
directory ${data}
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
`,
    { mode: 0o600 },
  );
  const url = `ldap://127.0.0.1:${ports.plain}`;
  const secureUrl = `ldaps://127.0.0.1:${ports.secure}`;
  // With a level of logging it stays in the foreground: the process that we end is the server.
  const server = spawn('/usr/sbin/slapd', ['-f', configuration, '-h', `${url} ${secureUrl}`, '-d', '0'], {
    stdio: 'ignore',
  });
  const ended = ending(server);

  async function change<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ url, timeout: 5_000, connectTimeout: 5_000 });
    try {
      await client.bind(ADMIN, adminPassword);
      return await use(client);
    } finally {
      await client.unbind().catch(() => undefined);
    }
  }

  await until('slapd answers', async () => {
    if (server.exitCode !== null) throw new Error(`slapd ended with ${server.exitCode}`);
    return change(() => Promise.resolve(true)).catch(() => false);
  });
  await change(async (client) => {
    await client.add(SUFFIX, {
      objectClass: ['top', 'dcObject', 'organization'],
      o: 'Example',
      dc: 'example',
    });
    for (const ou of ['people', 'groups'])
      await client.add(`ou=${ou},${SUFFIX}`, { objectClass: ['organizationalUnit'], ou });
  });

  return {
    url,
    secureUrl,
    suffix: SUFFIX,
    adminDn: ADMIN,
    adminPassword,
    certificate,
    change,
    async addPerson(uid, password, attributes = {}) {
      const name = uid.replace(/[^A-Za-z0-9]/g, (letter) => `\\${letter.charCodeAt(0).toString(16)}`);
      const dn = `uid=${name},ou=people,${SUFFIX}`;
      const entry = {
        objectClass: ['inetOrgPerson'],
        uid,
        cn: uid,
        sn: uid,
        userPassword: password,
        ...attributes,
      };
      await change((client) => client.add(dn, entry));
      return dn;
    },
    async addGroup(name, members) {
      const dn = `cn=${name},ou=groups,${SUFFIX}`;
      await change((client) => client.add(dn, { objectClass: ['groupOfNames'], cn: name, member: members }));
      return dn;
    },
    async stop() {
      server.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function ending(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
}
