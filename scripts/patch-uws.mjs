#!/usr/bin/env node
/**
 * Makes the uWebSockets.js binary load on a glibc older than 2.38 (Debian 12, RHEL 9, Ubuntu 22.04).
 *
 * The Linux binaries need glibc 2.38 only for the C23 names of three old functions: a compiler with new headers turns
 * `strtol` into `__isoc23_strtol` and so on. They differ in reading "0b101" literals, which the library has no use for.
 * So each such symbol is bound to its plain name, which every glibc has, and the version becomes optional.
 *
 * Only the ELF's dynamic linking tables change, in place and without moving a byte:
 *
 *   .dynsym         st_name += 9, past "__isoc23_", so that it names the plain function; the string table is untouched
 *   .gnu.version    the symbol's version index: GLIBC_2.38 -> the oldest version the architecture has
 *   .gnu.version_r  GLIBC_2.38 gets VER_FLG_WEAK: its absence is not an error
 *
 * Acts only when the binary does not load for exactly that reason; running it again changes nothing.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEW_VERSION = 'GLIBC_2.38';
const C23_PREFIX = '__isoc23_';
const VER_FLG_WEAK = 2;

/** By ELF e_machine: the version every symbol of the first glibc for that architecture carries. */
const BASE_VERSION = new Map([
  [62, 'GLIBC_2.2.5'], // x86-64
  [183, 'GLIBC_2.17'], // AArch64
]);

const SHT_DYNSYM = 11;
const SHT_VERNEED = 0x6ffffffe;
const SHT_VERSYM = 0x6fffffff;

/**
 * Rebind the C23 symbols of a 64-bit little-endian ELF image, in place.
 *
 * @param {Buffer} elf  the whole file
 * @returns {number} symbols rebound; 0 when there is nothing to do
 * @throws {Error} when the image is not of that kind, or needs GLIBC_2.38 for something else. It is then unchanged.
 */
export function rebindC23Symbols(elf) {
  const machine = elfMachine(elf);
  const base = BASE_VERSION.get(machine);
  if (base === undefined) throw new Error(`unsupported ELF machine ${machine}`);

  const sections = readSections(elf);
  const verneed = sections.find((section) => section.type === SHT_VERNEED);
  if (verneed === undefined) return 0;
  const versions = readVersions(elf, verneed, sections[verneed.link]);
  const wanted = versions.find((version) => version.name === NEW_VERSION);
  if (wanted === undefined) return 0;

  const bound = symbolsBoundTo(elf, sections, wanted.index);
  const foreign = bound.find((symbol) => !symbol.name.startsWith(C23_PREFIX));
  if (foreign !== undefined) throw new Error(`${foreign.name} needs ${NEW_VERSION} and has no older equivalent`);
  const target = versions.find((version) => version.name === base && version.file === wanted.file);
  if (target === undefined) throw new Error(`no ${base} of ${wanted.file} to bind to`);

  for (const symbol of bound) {
    elf.writeUInt32LE(elf.readUInt32LE(symbol.at) + C23_PREFIX.length, symbol.at);
    elf.writeUInt16LE(target.index, symbol.versionAt);
  }
  elf.writeUInt16LE(elf.readUInt16LE(wanted.flagsAt) | VER_FLG_WEAK, wanted.flagsAt);
  return bound.length;
}

function elfMachine(elf) {
  const isElf64LittleEndian = elf.length >= 64 && elf.readUInt32BE(0) === 0x7f454c46 && elf[4] === 2 && elf[5] === 1;
  if (!isElf64LittleEndian) throw new Error('not a 64-bit little-endian ELF file');
  return elf.readUInt16LE(18);
}

function readSections(elf) {
  const start = Number(elf.readBigUInt64LE(40));
  const entryBytes = elf.readUInt16LE(58);
  return Array.from({ length: elf.readUInt16LE(60) }, (_, i) => {
    const at = start + i * entryBytes;
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
      info: elf.readUInt32LE(at + 44),
    };
  });
}

/** Versions asked of other libraries: a list of libraries, each with a list of versions, linked by relative offsets. */
function readVersions(elf, verneed, strings) {
  const versions = [];
  let needAt = verneed.offset;
  for (let n = 0; n < verneed.info; n++) {
    const file = readString(elf, strings, elf.readUInt32LE(needAt + 4));
    let at = needAt + elf.readUInt32LE(needAt + 8);
    for (let left = elf.readUInt16LE(needAt + 2); left > 0; left--) {
      const name = readString(elf, strings, elf.readUInt32LE(at + 8));
      versions.push({ file, name, flagsAt: at + 4, index: elf.readUInt16LE(at + 6) });
      at += elf.readUInt32LE(at + 12);
    }
    needAt += elf.readUInt32LE(needAt + 12);
  }
  return versions;
}

function symbolsBoundTo(elf, sections, versionIndex) {
  const symbols = sections.find((section) => section.type === SHT_DYNSYM);
  const versym = sections.find((section) => section.type === SHT_VERSYM);
  if (symbols === undefined || versym === undefined) throw new Error('no dynamic symbols');
  const bound = [];
  for (let i = 0; i < versym.size / 2; i++) {
    const versionAt = versym.offset + 2 * i;
    if (elf.readUInt16LE(versionAt) !== versionIndex) continue;
    const at = symbols.offset + 24 * i;
    bound.push({ at, versionAt, name: readString(elf, sections[symbols.link], elf.readUInt32LE(at)) });
  }
  return bound;
}

function readString(elf, strings, offset) {
  const at = strings.offset + offset;
  return elf.toString('latin1', at, elf.indexOf(0, at));
}

/**
 * Make one binary loadable.
 *
 * @param {string} path  the .node file
 * @param {(path: string) => string | undefined} [loadError]  why it does not load here, undefined when it does
 * @returns {string | undefined} what was done, in one line; undefined when nothing was needed
 * @throws {Error} one line: why it does not load. The file is then as it was.
 */
export function patchBinary(path, loadError = loadErrorInChild) {
  const before = loadError(path);
  if (before === undefined) return undefined;
  if (!before.includes(NEW_VERSION)) throw new Error(`uWebSockets.js does not load here: ${before}`);

  const elf = readFileSync(path);
  const count = rebindC23Symbols(elf);
  const candidate = `${path}.${process.pid}.node`;
  try {
    writeDurably(candidate, elf, statSync(path).mode);
    const after = loadError(candidate);
    if (after !== undefined) throw new Error(`uWebSockets.js does not load here, even when patched: ${after}`);
    renameSync(candidate, path);
  } finally {
    rmSync(candidate, { force: true });
  }
  return `uWebSockets.js: bound ${count} symbols to older versions of themselves, as this system has no ${NEW_VERSION}`;
}

function writeDurably(path, bytes, mode) {
  const file = openSync(path, 'w', mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** In a child, because a library that failed to load, or loaded, stays so for the life of a process. */
function loadErrorInChild(path) {
  try {
    execFileSync(process.execPath, ['-e', 'require(process.argv[1])', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    const lines = String(error.stderr ?? '').split('\n');
    return (lines.find((line) => /^\w*Error: /.test(line)) ?? error.message).replace(/^\w*Error: /, '');
  }
}

/** The binary for this platform and Node version, or undefined when the package has none. */
export function binaryPath() {
  const require = createRequire(import.meta.url);
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  try {
    return require.resolve(join(dirname(require.resolve('uWebSockets.js')), name));
  } catch {
    return undefined;
  }
}

/**
 * Patch the installed binary where that is needed.
 *
 * @returns {string | undefined} what was done
 * @throws {Error} one line: why the server cannot run here
 */
export function patchInstalled() {
  const path = binaryPath();
  if (path === undefined) {
    const here = `${process.platform} ${process.arch}, Node ${process.versions.node}`;
    throw new Error(
      `uWebSockets.js has no binary for ${here}. It has them for Node 20, 22, 24 and 25 on Linux (glibc), macOS and Windows.`,
    );
  }
  return patchBinary(path);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const done = patchInstalled();
    if (done !== undefined) console.log(done);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
