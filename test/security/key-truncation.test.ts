import { verifyAccessToken } from '../../contracts/access-token.ts';
import { accessToken, now, policies, refusing } from '../support/credentials.ts';
import { stops } from './attack.ts';

/** Whose token it is; undefined when it is nobody's. */
type WhoseToken = (token: string) => Promise<string | undefined>;

/** Remembers what was verified, by the beginning of the token: all of one issuer begin with the same header. */
function naive(): WhoseToken {
  const known = new Map<string, string>();
  return async (token) => {
    const name = token.slice(0, 20);
    const who = known.get(name) ?? (await verifyAccessToken(token, policies.apiKeys, now))?.sub;
    if (who !== undefined) known.set(name, who);
    return who;
  };
}

function ours(): WhoseToken {
  const { tokens } = refusing();
  return async (token) => {
    const verified = await tokens.verify(token, policies, now);
    return typeof verified !== 'string' && verified.kind === 'own' ? verified.claims.sub : undefined;
  };
}

async function attack(whose: WhoseToken): Promise<boolean> {
  const victims = await accessToken();
  await whose(victims);
  const [header = ''] = victims.split('.');
  const forged = `${header}.${Buffer.from('{"sub":"ada"}').toString('base64url')}.AAAA`;
  return (await whose(forged)) !== undefined;
}

stops('a forged token that begins like one that was seen', attack, { naive, ours });
