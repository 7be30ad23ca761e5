import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';

const LOOK_EVERY_MS = 2_000;

export interface TlsFiles {
  certFile: string;
  keyFile: string;
}

/** TLS 1.3, and of 1.2 what has forward secrecy and authenticates what it encrypts. */
export const tlsSettings = {
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

interface Pair {
  cert: Buffer;
  key: Buffer;
  /** When the certificate ends, in seconds since 1970. */
  endsAt: number;
}

export interface Certificate {
  pair: Pair;
  endsAt: () => number;
  /** Looks for changed files and hands on what is whole; a pair that does not fit together leaves the old one in use. */
  watch: (use: (context: SecureContextOptions) => void) => void;
  stop: () => void;
}

/**
 * The gateway's certificate, read again when its files change, so that a renewal needs no restart.
 * @throws UsageError when it cannot be used at the start.
 */
export async function openCertificate(files: TlsFiles, logger: Logger): Promise<Certificate> {
  let version = await versionOf(files).catch(() => '');
  let pair: Pair;
  try {
    pair = await readPair(files);
  } catch (error) {
    throw new UsageError(`${files.certFile} and ${files.keyFile} are no certificate: ${messageOf(error)}`);
  }
  let timer: NodeJS.Timeout | undefined;

  async function look(use: (context: SecureContextOptions) => void): Promise<void> {
    const found = await versionOf(files);
    if (found === version) return;
    pair = await readPair(files);
    version = found;
    use({ ...tlsSettings, cert: pair.cert, key: pair.key });
    logger.info({ endsAt: new Date(pair.endsAt * 1000) }, 'the certificate was read again');
  }

  return {
    pair,
    endsAt: () => pair.endsAt,
    watch(use) {
      let complained = '';
      timer = setInterval(() => {
        look(use).catch((error: unknown) => {
          const message = messageOf(error);
          if (message !== complained) logger.error({ err: error }, 'the new certificate cannot be used');
          complained = message;
        });
      }, LOOK_EVERY_MS);
      timer.unref();
    },
    stop() {
      clearInterval(timer);
    },
  };
}

/** A mounted secret changes by a link to another file: its inode changes even where times do not. */
async function versionOf({ certFile, keyFile }: TlsFiles): Promise<string> {
  const infos = await Promise.all([stat(certFile), stat(keyFile)]);
  return infos.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
}

/** @throws when they are not a certificate and its key. */
async function readPair({ certFile, keyFile }: TlsFiles): Promise<Pair> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  createSecureContext({ ...tlsSettings, cert, key });
  return { cert, key, endsAt: new X509Certificate(cert).validToDate.getTime() / 1000 };
}
