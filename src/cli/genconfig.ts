import { randomBytes } from 'node:crypto';
import { Command } from 'commander';
import type { Io } from './io.js';
import { formatFor, writeNew } from './write-config.js';

const randomKey = (bytes: number): string => randomBytes(bytes).toString('base64url');

export const genconfigCommand = (io: Io): Command =>
  new Command('genconfig')
    .description('write a small configuration file with new random keys')
    .option('-c, --config <file>', 'file to write: .json, .yaml or .toml', 'config.json')
    .action(({ config: path }: { config: string }) => {
      const tree = {
        client: { token: { hmac_secret_key: randomKey(48) }, allowed_origins: [] },
        admin: { enabled: false, password: randomKey(12), secret: randomKey(48) },
        http_api: { key: randomKey(48) },
      };
      writeNew(path, formatFor(path, tree), io.cwd);
      io.out(`wrote ${path}; start the server with: gyre --config ${path}`);
    });
