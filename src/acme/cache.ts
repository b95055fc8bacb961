/**
 * What is kept between starts, and shared by nodes that have the same directory. Names and contents of the files are
 * those of Centrifugo's autocert (golang.org/x/crypto/acme/autocert): a cache that is there goes on being used.
 *
 *   <host>              key, then certificates, PEM
 *   acme_account+key    key of the account, PEM
 *   <token>+http-01     answer to a challenge, while it is open
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Cache {
  /** Undefined when there is none. @throws {Error} when it cannot be read */
  get(name: string): string | undefined;
  /** @throws {Error} when it cannot be written */
  put(name: string, content: string): void;
  delete(name: string): void;
}

export class MemoryCache extends Map<string, string> implements Cache {
  put(name: string, content: string): void {
    this.set(name, content);
  }
}

export class DirectoryCache implements Cache {
  /** Makes the directory if need be; only this user has access. @throws {Error} when that is not possible */
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  }

  get(name: string): string | undefined {
    try {
      return readFileSync(this.path(name), 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Others see the former content or this one, whole. */
  put(name: string, content: string): void {
    const path = this.path(name);
    const fresh = `${path}.${process.pid}.tmp`;
    writeFileSync(fresh, content, { mode: 0o600 });
    renameSync(fresh, path);
  }

  delete(name: string): void {
    rmSync(this.path(name), { force: true });
  }

  /** Names are host names, or tokens that {@link isToken} has seen. */
  private path(name: string): string {
    if (/[/\\]|^\.+$/.test(name)) throw new Error(`not a name in the cache: ${name}`);
    return join(this.directory, name);
  }
}
