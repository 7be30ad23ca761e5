import { principalOf } from '../../control-plane/gateway/tokens.ts';
import { linkId } from '../../control-plane/identity/link-id.ts';
import { compiled, issuer } from '../support/credentials.ts';
import { stops } from './attack.ts';

interface Told {
  issuer: string;
  subject: string;
  email: string;
}
/** Which account it is that somebody signs in to. */
type AccountOf = (told: Told) => string | undefined;

/** Finds people by their mail address, and takes everybody of the company's domain for staff. */
const naive: AccountOf = ({ email }) => {
  if (email === 'ada@corp.example') return 'ada';
  return email.endsWith('@corp.example') ? 'staff' : undefined;
};

const ours: AccountOf = ({ issuer: name, subject, email }) => {
  const links = { [linkId(issuer.issuer, 'u1', 'acme')]: 'ada' };
  const person = { id: subject, name: email, department: '', groups: [], expiresAt: Infinity };
  const found = principalOf(
    { kind: 'issuer', issuer: { ...issuer, issuer: name }, person },
    compiled({ links }),
  );
  return typeof found === 'object' ? found.id : undefined;
};

const targets = { naive: () => naive, ours: () => ours };
stops(
  "an issuer that knows somebody's mail address",
  (accountOf: AccountOf) =>
    accountOf({ issuer: 'https://other.example', subject: 'u1', email: 'ada@corp.example' }) !== undefined,
  targets,
);
stops(
  'a mail address that has two domains',
  (accountOf: AccountOf) =>
    accountOf({ issuer: issuer.issuer, subject: 'u2', email: 'eve@evil.example@corp.example' }) !== undefined,
  targets,
);
