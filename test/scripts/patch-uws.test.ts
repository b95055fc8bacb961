import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { patchBinary, rebindC23Symbols } from '../../scripts/patch-uws.mjs';

const X64 = 62;
const ARM64 = 183;

interface FakeSymbol {
  name: string;
  version: string;
}

/**
 * The smallest ELF with dynamic symbols and versions: header, .dynstr, .dynsym, .gnu.version, .gnu.version_r, sections.
 */
function fakeElf(machine: number, symbols: FakeSymbol[], versions: string[]): Buffer {
  let strings = '\0';
  const intern = (text: string) => {
    const at = strings.length;
    strings += `${text}\0`;
    return at;
  };
  const indexOf = (version: string) => versions.indexOf(version) + 2;

  const dynsym = Buffer.alloc(24 * (symbols.length + 1));
  const versym = Buffer.alloc(2 * (symbols.length + 1));
  symbols.forEach((symbol, i) => {
    dynsym.writeUInt32LE(intern(symbol.name), 24 * (i + 1));
    versym.writeUInt16LE(indexOf(symbol.version), 2 * (i + 1));
  });

  const verneed = Buffer.alloc(16 + 16 * versions.length);
  verneed.writeUInt16LE(1, 0);
  verneed.writeUInt16LE(versions.length, 2);
  verneed.writeUInt32LE(intern('libc.so.6'), 4);
  verneed.writeUInt32LE(16, 8);
  versions.forEach((version, i) => {
    const at = 16 + 16 * i;
    verneed.writeUInt16LE(indexOf(version), at + 6);
    verneed.writeUInt32LE(intern(version), at + 8);
    verneed.writeUInt32LE(i + 1 < versions.length ? 16 : 0, at + 12);
  });

  const parts = [Buffer.from(strings, 'latin1'), dynsym, versym, verneed];
  const types = [3, 11, 0x6fffffff, 0x6ffffffe];
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(machine, 18);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(parts.length + 1, 60);

  const table = Buffer.alloc(64 * (parts.length + 1));
  let offset = 64;
  parts.forEach((part, i) => {
    const at = 64 * (i + 1);
    table.writeUInt32LE(types[i]!, at + 4);
    table.writeBigUInt64LE(BigInt(offset), at + 24);
    table.writeBigUInt64LE(BigInt(part.length), at + 32);
    table.writeUInt32LE(i === 0 ? 0 : 1, at + 40);
    table.writeUInt32LE(types[i] === 0x6ffffffe ? 1 : 0, at + 44);
    offset += part.length;
  });
  header.writeBigUInt64LE(BigInt(offset), 40);
  return Buffer.concat([header, ...parts, table]);
}

/** What the loader would see: symbol name to version, and which version may be absent ('weak'). */
function symbolsOf(elf: Buffer): Record<string, string> {
  const section = (i: number) => Number(elf.readBigUInt64LE(Number(elf.readBigUInt64LE(40)) + 64 * i + 24));
  const size = (i: number) => Number(elf.readBigUInt64LE(Number(elf.readBigUInt64LE(40)) + 64 * i + 32));
  const text = (at: number) => elf.toString('latin1', section(1) + at, elf.indexOf(0, section(1) + at));
  const versions = new Map<number, string>();
  const seen: Record<string, string> = { weak: '' };
  for (let at = section(4) + 16; at < section(4) + size(4); at += 16) {
    const name = text(elf.readUInt32LE(at + 8));
    versions.set(elf.readUInt16LE(at + 6), name);
    if (elf.readUInt16LE(at + 4) & 2) seen.weak = name;
  }
  for (let i = 1; i < size(3) / 2; i++) {
    seen[text(elf.readUInt32LE(section(2) + 24 * i))] = versions.get(elf.readUInt16LE(section(3) + 2 * i)) ?? '';
  }
  return seen;
}

const newBuild = (machine: number, base: string) =>
  fakeElf(
    machine,
    [
      { name: 'memcpy', version: base },
      { name: '__isoc23_strtol', version: 'GLIBC_2.38' },
      { name: '__isoc23_sscanf', version: 'GLIBC_2.38' },
    ],
    [base, 'GLIBC_2.34', 'GLIBC_2.38'],
  );

describe('rebinding symbols', () => {
  it.each([
    [X64, 'GLIBC_2.2.5'],
    [ARM64, 'GLIBC_2.17'],
  ])('binds C23 names to plain ones (machine %i)', (machine, base) => {
    const elf = newBuild(machine, base);
    const length = elf.length;
    expect(rebindC23Symbols(elf)).toBe(2);
    expect(elf.length).toBe(length);
    expect(symbolsOf(elf)).toEqual({ weak: 'GLIBC_2.38', memcpy: base, strtol: base, sscanf: base });
  });

  it('changes nothing the second time', () => {
    const elf = newBuild(X64, 'GLIBC_2.2.5');
    rebindC23Symbols(elf);
    const once = Buffer.from(elf);
    expect(rebindC23Symbols(elf)).toBe(0);
    expect(elf.equals(once)).toBe(true);
  });

  it('leaves a build for an old glibc alone', () => {
    const elf = fakeElf(X64, [{ name: 'strtol', version: 'GLIBC_2.2.5' }], ['GLIBC_2.2.5']);
    const before = Buffer.from(elf);
    expect(rebindC23Symbols(elf)).toBe(0);
    expect(elf.equals(before)).toBe(true);
  });

  it('refuses, unchanged, what needs the new glibc for something else', () => {
    const symbols = [
      { name: '__isoc23_strtol', version: 'GLIBC_2.38' },
      { name: 'strlcpy', version: 'GLIBC_2.38' },
    ];
    const elf = fakeElf(X64, symbols, ['GLIBC_2.2.5', 'GLIBC_2.38']);
    const before = Buffer.from(elf);
    expect(() => rebindC23Symbols(elf)).toThrow('strlcpy needs GLIBC_2.38');
    expect(elf.equals(before)).toBe(true);
  });

  it('refuses other machines and other files', () => {
    expect(() => rebindC23Symbols(newBuild(243, 'GLIBC_2.27'))).toThrow('unsupported ELF machine 243');
    expect(() => rebindC23Symbols(Buffer.from('not an ELF'))).toThrow('not a 64-bit little-endian ELF');
  });

  it('understands every Linux binary of the installed package', () => {
    const folder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
    const binaries = readdirSync(folder).filter((name) => /^uws_linux_\w+\.node$/.test(name));
    expect(binaries.length).toBeGreaterThan(0);
    for (const name of binaries) {
      const elf = readFileSync(join(folder, name));
      expect(rebindC23Symbols(elf)).toBeLessThanOrEqual(3);
      expect(rebindC23Symbols(elf)).toBe(0);
    }
  });
});

describe('patching a file', () => {
  let folder = '';
  let file = '';
  const tooOld = (path: string) =>
    symbolsOf(readFileSync(path)).weak === '' ? "version `GLIBC_2.38' not found" : undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gyre-patch-'));
    file = join(folder, 'uws.node');
    writeFileSync(file, newBuild(X64, 'GLIBC_2.2.5'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('patches what does not load, says so, and needs nothing afterwards', () => {
    expect(patchBinary(file, tooOld)).toMatch(/bound 2 symbols/);
    expect(patchBinary(file, tooOld)).toBeUndefined();
    expect(readdirSync(folder)).toEqual(['uws.node']);
  });

  it('does not touch what loads', () => {
    const before = readFileSync(file);
    expect(patchBinary(file, () => undefined)).toBeUndefined();
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('does not touch what fails for another reason', () => {
    const before = readFileSync(file);
    expect(() => patchBinary(file, () => 'libm.so.6: cannot open')).toThrow('does not load here: libm.so.6');
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('keeps the original when the patched copy does not load either', () => {
    const before = readFileSync(file);
    expect(() => patchBinary(file, () => "`GLIBC_2.38' not found")).toThrow('even when patched');
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(existsSync(file)).toBe(true);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('asks a real child process by default', () => {
    writeFileSync(file, 'not a library');
    expect(() => patchBinary(file)).toThrow(/^uWebSockets\.js does not load here: .*uws\.node/);
  });
});
