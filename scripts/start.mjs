/** `npm start [-- arguments]`: prepare what is missing, then run the program in this process. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, runScript, setup } from './setup.mjs';

/** A configuration to develop with: the example, with secrets nobody else has, and the demo page. */
export function developmentConfig(example) {
  const secret = () => randomBytes(32).toString('base64url');
  const config = structuredClone(example);
  config.client.token.hmac_secret_key = secret();
  config.http_api.key = secret();
  config.admin = { ...config.admin, password: secret(), secret: secret() };
  config.dev = { demo: true };
  // The demo page hands a token to whoever asks, so only this machine may ask.
  config.http_server.address = '127.0.0.1';
  // What the page does: publish from the browser, and see others come and go.
  const channels = { allow_publish_for_subscriber: true, join_leave: true, force_push_join_leave: true };
  Object.assign(config.channel.without_namespace, channels);
  return config;
}

/** Only for a plain `npm start`: a command, or a configuration named by the caller, is left alone. */
export function wantsDefaultConfig(args) {
  const named = args.some((arg) => /^(-c|--config)/.test(arg));
  const command = args[0] !== undefined && !args[0].startsWith('-');
  return !named && !command;
}

function writeConfigOnce(path) {
  if (existsSync(path)) return;
  const example = JSON.parse(readFileSync(join(ROOT, 'config.example.json'), 'utf8'));
  writeFileSync(path, `${JSON.stringify(developmentConfig(example), null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  console.log(`Wrote ${path} with fresh secrets, for development: it serves a demo page that hands out tokens.`);
}

async function start() {
  setup();
  const args = process.argv.slice(2);
  const inPlace = resolve('config.json');
  if (wantsDefaultConfig(args) && !existsSync(inPlace)) {
    const path = join(ROOT, 'config.json');
    writeConfigOnce(path);
    if (path !== inPlace) process.argv.push('-c', path);
  }
  await import(pathToFileURL(join(ROOT, 'dist/cli/gyre.js')).href);
}

if (process.argv[1] && resolve(process.argv[1]) === join(ROOT, 'scripts/start.mjs')) await runScript(start);
