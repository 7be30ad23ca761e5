import { sha256Hex } from '../../foundation/secret.ts';

/**
 * Under which name a person of an issuer stands in the snapshot. Issuer and subject alone say who it is: names and mail
 * addresses change hands.
 */
export function linkId(issuer: string, subject: string, tenant: string): string {
  return sha256Hex(JSON.stringify([issuer, subject, tenant]));
}
