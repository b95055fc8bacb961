/**
 * Everything between a fresh clone and a program that runs: Node version, dependencies, the uWebSockets.js binary, build.
 * Each step looks first whether there is anything to do, so that running it when all is done costs a few milliseconds.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { patchInstalled } from './patch-uws.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MIN_NODE_MAJOR = 20;
const SETUP_STAMP = join(ROOT, 'node_modules/.gyre-setup.json');
const BUILD_STAMP = join(ROOT, 'dist/.gyre-build.json');
const BIN = join(ROOT, 'node_modules/.bin');

/** A step failed. The message says what to do, so no stack trace is needed. */
export class SetupError extends Error {}

/** @throws {SetupError} */
export function setup() {
  checkNode();
  install();
  build();
}

/** Run `main`, turning its errors into one line and exit code 1. */
export async function runScript(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error);
    process.exitCode = 1;
  }
}

/**
 * Run a program of node_modules/.bin with the terminal as its output.
 *
 * @returns {number} its exit code
 */
export function runTool(name, args) {
  const shell = process.platform === 'win32';
  const { status, error } = spawnSync(join(BIN, name), args, { cwd: ROOT, stdio: 'inherit', shell });
  if (error) throw new SetupError(`Cannot run ${name}: ${error.message}`);
  return status ?? 1;
}

function checkNode() {
  if (Number.parseInt(process.versions.node, 10) >= MIN_NODE_MAJOR) return;
  throw new SetupError(`Gyre needs Node.js ${MIN_NODE_MAJOR} or newer; this is ${process.versions.node}.`);
}

function install() {
  // The binary is chosen by platform and Node version, so another Node on the same folder needs another look.
  const wanted = { packages: packagesHash(), abi: `${process.platform}-${process.arch}-${process.versions.modules}` };
  const done = readJson(SETUP_STAMP);
  if (done?.packages === wanted.packages && done?.abi === wanted.abi) return;

  if (done?.packages !== wanted.packages) installPackages();
  try {
    const patched = patchInstalled();
    if (patched !== undefined) console.log(patched);
  } catch (error) {
    throw new SetupError(error.message);
  }
  writeFileSync(SETUP_STAMP, JSON.stringify(wanted));
}

function installPackages() {
  const command = statOrUndefined(join(ROOT, 'package-lock.json')) ? 'ci' : 'install';
  console.log(`Installing dependencies (npm ${command}) ...`);
  // npm needs dev dependencies for the build, whatever NODE_ENV says.
  const args = [command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const shell = process.platform === 'win32';
  const { status, error } = spawnSync('npm', args, { cwd: ROOT, stdio: 'inherit', shell });
  if (status !== 0) throw new SetupError(`npm ${command} failed${error ? `: ${error.message}` : ''}.`);
}

function packagesHash() {
  const lock = join(ROOT, 'package-lock.json');
  const path = statOrUndefined(lock) ? lock : join(ROOT, 'package.json');
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function build() {
  const sources = listSources();
  const done = readJson(BUILD_STAMP)?.sources;
  if (done !== undefined && JSON.stringify(done) === JSON.stringify(sources)) return;

  // The compiler never removes the output of a source that is gone.
  const removed = done === undefined || Object.keys(done).some((path) => !(path in sources));
  if (removed) rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  console.log('Building ...');
  if (runTool('tsc', ['-p', 'tsconfig.json']) !== 0) throw new SetupError('The build failed.');
  copyDemo();
  copyProtos();
  writeFileSync(BUILD_STAMP, JSON.stringify({ sources }));
}

/** The demo page is static; the client library it loads is the official one, as published. */
function copyDemo() {
  cpSync(join(ROOT, 'src/demo'), join(ROOT, 'dist/demo'), { recursive: true });
  copyFileSync(join(ROOT, 'node_modules/centrifuge/dist/centrifuge.js'), join(ROOT, 'dist/demo/centrifuge.js'));
}

/** Protobuf definitions are read at run time, next to the code that reads them. */
function copyProtos() {
  for (const path of walk(join(ROOT, 'src')).filter((path) => path.endsWith('.proto'))) {
    cpSync(path, join(ROOT, 'dist', relative(join(ROOT, 'src'), path)));
  }
}

/** Everything the build reads, each with size and modification time. */
function listSources() {
  const files = [join(ROOT, 'tsconfig.json'), join(ROOT, 'package-lock.json'), ...walk(join(ROOT, 'src'))];
  const stats = files.map((path) => [path, statOrUndefined(path)]).filter(([, stat]) => stat !== undefined);
  return Object.fromEntries(stats.map(([path, stat]) => [relative(ROOT, path), `${stat.size} ${stat.mtimeMs}`]));
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : [path];
  });
}

function statOrUndefined(path) {
  return statSync(path, { throwIfNoEntry: false });
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // absent or damaged: the step is done again
  }
}
