import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

/** A certificate that is its own authority, good for two days. `names` are as openssl writes them. */
export async function makeCertificate(
  folder: string,
  names: readonly string[] = ['IP:127.0.0.1', 'DNS:localhost'],
): Promise<Certificate> {
  const certFile = join(folder, 'tls.crt');
  const keyFile = join(folder, 'tls.key');
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'],
    ...['-addext', `subjectAltName=${names.join(',')}`, '-keyout', keyFile, '-out', certFile],
  ]);
  return {
    certFile,
    keyFile,
    cert: await readFile(certFile, 'utf8'),
    key: await readFile(keyFile, 'utf8'),
  };
}
