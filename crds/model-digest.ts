import { createHash } from 'node:crypto';
import type { ModelFile } from './generated.ts';

/**
 * What identifies a model: the SHA-256 of its only file, or, of several, of their lines `SHA256  NAME` in the order of
 * their names (what `sha256sum` prints), as 64 hexadecimal digits.
 */
export function modelDigest(files: readonly Pick<ModelFile, 'name' | 'sha256'>[]): string {
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0) return only.sha256;
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const hash = createHash('sha256');
  for (const { name, sha256 } of sorted) hash.update(`${sha256}  ${name}\n`);
  return hash.digest('hex');
}
