/** Asks an authority for certificates (RFC 8555), by the acme-client package. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Cache } from './cache.js';
import type { Challenges } from './challenges.js';

const ACCOUNT_KEY = 'acme_account+key';
/** Of each request; the package has none. It asks again five times when the authority is busy. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface IssuerOptions {
  readonly directoryUrl: string;
  /** Where the authority may write to; '' for none. */
  readonly email: string;
}

/** PEM */
export interface Issued {
  readonly key: string;
  /** The certificate and those that lead to a known authority. */
  readonly cert: string;
}

const createKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
/** For the package. */
const inPkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
/** As Centrifugo keeps keys. */
const inSec1 = (key: KeyObject): string => key.export({ type: 'sec1', format: 'pem' }) as string;

export class Issuer {
  constructor(
    private readonly options: IssuerOptions,
    private readonly cache: Cache,
    private readonly challenges: Challenges,
  ) {}

  /**
   * A new certificate with these names, which must lead here on port 80. Agrees to the authority's terms of service, as
   * Centrifugo does.
   *
   * @throws {Error} saying why there is none
   */
  async issue(hosts: readonly string[]): Promise<Issued> {
    // Loaded only where it is used: it is large.
    const { default: acme } = await import('acme-client');
    acme.axios.defaults.timeout = REQUEST_TIMEOUT_MS;
    const client = new acme.Client({ directoryUrl: this.options.directoryUrl, accountKey: this.accountKey() });
    const key = createKey();
    const [, csr] = await acme.crypto.createCsr({ commonName: hosts[0]!, altNames: [...hosts] }, inPkcs8(key));
    const cert = await client.auto({
      csr,
      email: this.options.email,
      termsOfServiceAgreed: true,
      challengePriority: ['http-01'],
      // This machine need not be able to reach itself by its public name.
      skipChallengeVerification: true,
      challengeCreateFn: async (_, challenge, keyAuthorization) => {
        if (challenge.type !== 'http-01') throw new Error('the authority offers no HTTP-01 challenge');
        this.challenges.put(challenge.token, keyAuthorization);
      },
      challengeRemoveFn: async (_, { token }) => this.challenges.delete(token),
    });
    return { key: inSec1(key), cert };
  }

  private accountKey(): string {
    const known = this.cache.get(ACCOUNT_KEY);
    if (known !== undefined) return inPkcs8(createPrivateKey(known));
    const key = createKey();
    this.cache.put(ACCOUNT_KEY, inSec1(key));
    return inPkcs8(key);
  }
}
