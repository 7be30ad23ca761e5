import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf, UsageError } from '../../foundation/errors.ts';

/** TLS 1.3, and of 1.2 what has forward secrecy and authenticates what it encrypts. */
const settings = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
} as const satisfies SecureContextOptions;

export interface Certificate {
  context: SecureContextOptions;
  /** When the certificate ends, in seconds since 1970. */
  endsAt: number;
}

/** @throws UsageError when they are not a certificate and its key. */
export async function readCertificate(files: { certFile: string; keyFile: string }): Promise<Certificate> {
  try {
    const [cert, key] = await Promise.all([readFile(files.certFile), readFile(files.keyFile)]);
    const context = { ...settings, cert, key };
    createSecureContext(context);
    return { context, endsAt: new X509Certificate(cert).validToDate.getTime() / 1000 };
  } catch (error) {
    throw new UsageError(
      `${files.certFile} and ${files.keyFile} are no certificate and its key: ${messageOf(error)}`,
    );
  }
}
