import { createHash, createHmac } from 'node:crypto';
import { parseSigned, stringToSign } from '../../control-plane/identity/signing/signature.ts';
import { RequestError } from '../../foundation/errors.ts';
import { good, now, policies, refusing, SECRET, seconds } from '../support/credentials.ts';
import { stops } from './attack.ts';

interface Sent {
  method: string;
  path: string;
  body: string;
  timestamp: string;
  nonce: string;
  signature: string;
}
/** Whether a request is served. */
type Serves = (sent: Sent) => Promise<boolean>;
interface Target {
  /** What an honest client sends, as somebody on the way has seen it. */
  captured: Sent;
  serves: Serves;
}

const request = {
  method: 'POST',
  path: '/s/acme/cutout/',
  body: 'cat',
  timestamp: String(seconds),
  nonce: 'n'.repeat(16),
};
const hmac = (text: string): Buffer => createHmac('sha256', SECRET).update(text).digest();

/** Signs timestamp and body, and checks that the timestamp is of the last five minutes. */
function naive(): Target {
  const signatureOf = ({ timestamp, body }: Omit<Sent, 'signature'>): string =>
    hmac(timestamp + body).toString('hex');
  return {
    captured: { ...request, signature: signatureOf(request) },
    serves: (sent) =>
      Promise.resolve(
        Math.abs(now.getTime() / 1000 - Number(sent.timestamp)) <= 300 &&
          sent.signature === signatureOf(sent),
      ),
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function ours(): Target {
  const { signatures } = refusing();
  const { timestamp, nonce, body } = request;
  const text = stringToSign({ ...request, query: '' }, { timestamp, nonce, bodySha256: sha256(body) });
  return {
    captured: { ...request, signature: hmac(text).toString('base64url') },
    async serves(sent) {
      const signed = parseSigned({
        authorization: `HMAC-SHA256 Credential=ipk_${good.id}, Signature=${sent.signature}`,
        timestamp: sent.timestamp,
        nonce: sent.nonce,
        bodySha256: sha256(sent.body),
      });
      if (signed === undefined) return false;
      const body = (): Promise<undefined> => Promise.resolve(undefined);
      try {
        await signatures.verify(signed, { ...sent, query: '', toService: true, body }, policies, now);
        return true;
      } catch (error) {
        if (error instanceof RequestError) return false;
        throw error;
      }
    },
  };
}

/** The honest one must have been served, or nothing was captured. */
const after =
  (change: (sent: Sent) => Sent) =>
  async ({ captured, serves }: Target): Promise<boolean> => {
    if (!(await serves(captured))) throw new Error('the honest request was refused');
    return serves(change(captured));
  };

const targets = { naive, ours };
stops(
  'a signed request that is sent a second time',
  after((sent) => sent),
  targets,
);
stops(
  'its signature on another path',
  after((sent) => ({ ...sent, path: '/s/acme/costly/' })),
  targets,
);
stops(
  'its signature with another method',
  after((sent) => ({ ...sent, method: 'DELETE' })),
  targets,
);
stops(
  'its signature with a nonce that is new',
  after((sent) => ({ ...sent, nonce: 'm'.repeat(16) })),
  targets,
);
