/** Certificates made by the `openssl` program: an authority of the test's own, and what it issues. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Issued {
  /** Files. */
  readonly certPath: string;
  readonly keyPath: string;
  /** Their content. */
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions extends Validity {
  /** As in a certificate: `DNS:localhost,IP:127.0.0.1` by default. */
  readonly names?: string;
}

export interface Validity {
  /** From the present, in ms; negative before it. By default a minute ago to a day from now. */
  readonly from?: number;
  readonly to?: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function openssl(...args: readonly string[]): void {
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: Buffer };
    if (code === 'ENOENT') throw new Error('these tests make certificates: they need the openssl program');
    throw new Error(`openssl ${args[0]}: ${stderr}`);
  }
}

export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), 'gyre-certificates-'));
  readonly certPath = join(this.directory, 'authority.pem');
  readonly cert: string;
  private readonly configPath = join(this.directory, 'authority.cnf');
  private readonly keyPath = join(this.directory, 'authority-key.pem');
  private issued = 0;

  constructor(name = 'test authority') {
    const files = ['-keyout', this.keyPath, '-out', this.certPath];
    openssl('req', '-x509', ...EC, '-days', '2', '-subj', `/CN=${name}`, ...files);
    this.cert = readFileSync(this.certPath, 'latin1');
    writeFileSync(this.file('index'), '');
    writeFileSync(
      this.configPath,
      `[ca]
default_ca = own
[own]
database = ${join(this.directory, '1-index')}
rand_serial = yes
new_certs_dir = ${this.directory}
default_md = sha256
unique_subject = no
copy_extensions = copy
policy = any
[any]
commonName = optional
`,
    );
  }

  /** A key and a certificate for it. */
  issue(name: string, { names = 'DNS:localhost,IP:127.0.0.1', ...validity }: IssueOptions = {}): Issued {
    const keyPath = this.file('key.pem');
    const request = this.file('request.pem');
    const files = ['-keyout', keyPath, '-out', request];
    openssl('req', ...EC, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`, ...files);
    const certPath = this.sign(request, validity);
    return { certPath, keyPath, cert: readFileSync(certPath, 'latin1'), key: readFileSync(keyPath, 'latin1') };
  }

  /** @returns PEM of the certificate that a request, DER, asks for */
  signRequest(der: Buffer, validity: Validity = {}): string {
    const [request, pem] = [this.file('request.der'), this.file('request.pem')];
    writeFileSync(request, der);
    openssl('req', '-inform', 'DER', '-in', request, '-out', pem);
    return readFileSync(this.sign(pem, validity), 'latin1');
  }

  /** Removes all files. */
  close(): void {
    rmSync(this.directory, { recursive: true });
  }

  private sign(request: string, { from = -MINUTE_MS, to = DAY_MS }: Validity): string {
    const certPath = this.file('cert.pem');
    const authority = ['-config', this.configPath, '-cert', this.certPath, '-keyfile', this.keyPath];
    const time = (ms: number) => `${new Date(Date.now() + ms).toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
    const validity = ['-startdate', time(from), '-enddate', time(to)];
    openssl('ca', '-batch', '-notext', ...authority, ...validity, '-in', request, '-out', certPath);
    return certPath;
  }

  private file(name: string): string {
    this.issued += 1;
    return join(this.directory, `${this.issued}-${name}`);
  }
}
