import type { Principal } from '../../contracts/principal.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { confirmTotp, removeTotp, replaceRecoveryCodes } from '../identity/accounts/factor-store.ts';
import {
  findAccountByLogin,
  insertAccount,
  raiseEpoch,
  setDisabled,
  setPassword,
} from '../identity/accounts/store.ts';
import {
  canonicalRecoveryCode,
  newRecoveryCode,
  newTotpSecret,
  otpauthUri,
} from '../identity/accounts/totp.ts';
import { changeRecord, type IdentityTools, system, wrapperOf } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';

const LOGIN = 'break-glass';

/** All that opens the account: to be printed, sealed, and kept in a safe. */
export interface BreakGlass {
  account: string;
  password: string;
  totpSecret: string;
  uri: string;
  recoveryCodes: string[];
}

/**
 * The administrator for the day on which every identity provider is away. Asked for by whoever holds the internal
 * token; asking again makes everything anew. Making it and using it each raise an alert.
 */
export async function makeBreakGlass(
  db: Database,
  tenant: string,
  tools: IdentityTools,
  surroundings: Surroundings,
): Promise<BreakGlass> {
  const { now, newId, randomBytes } = surroundings;
  const wrapper = wrapperOf(tools, 'totp');
  const password = randomBytes(24).toString('base64url');
  const totpSecret = newTotpSecret(randomBytes);
  const recoveryCodes = Array.from({ length: 4 }, () => newRecoveryCode(randomBytes));
  const hash = await tools.hasher.hash(password);
  await db.transaction().execute(async (transaction) => {
    const known = await findAccountByLogin(transaction, tenant, LOGIN);
    const principal: Principal = known?.principal ?? {
      id: `user_${newId()}`,
      tenant,
      kind: 'user',
      name: 'Break-glass administrator 应急管理员',
      department: '',
      role: 'platform-admin',
    };
    const { id } = principal;
    if (known === undefined)
      await insertAccount(transaction, {
        principal,
        login: LOGIN,
        email: '',
        breakGlass: true,
        expiresAt: null,
        givenBy: 'system',
      });
    await setDisabled(transaction, id, null);
    await removeTotp(transaction, id);
    await setPassword(transaction, id, hash, now());
    await confirmTotp(transaction, id, wrapper.wrap(totpSecret, id), 0);
    await replaceRecoveryCodes(
      transaction,
      id,
      recoveryCodes.map((code) => sha256Hex(canonicalRecoveryCode(code) ?? '')),
    );
    await raiseEpoch(transaction, id);
    const actor = system(tenant, 'break-glass:made');
    await appendAuditIn(transaction, changeRecord(actor, 'alert', `account:${id}`, surroundings));
  });
  const account = `${tenant}/${LOGIN}`;
  return { account, password, totpSecret, uri: otpauthUri(totpSecret, account), recoveryCodes };
}
