import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { developmentConfig, wantsDefaultConfig } from '../../scripts/start.mjs';

const example = JSON.parse(readFileSync(new URL('../../config.example.json', import.meta.url), 'utf8'));

describe('the configuration of a first start', () => {
  it('leaves no secret of the example in place', () => {
    expect(JSON.stringify(example)).toContain('CHANGE-ME');
    expect(JSON.stringify(developmentConfig(example))).not.toContain('CHANGE-ME');
  });

  it('has secrets of its own each time, each different', () => {
    const secrets = [developmentConfig(example), developmentConfig(example)].flatMap((config) => [
      config.client.token.hmac_secret_key,
      config.http_api.key,
      config.admin.password,
      config.admin.secret,
    ]);
    expect(new Set(secrets).size).toBe(8);
    for (const secret of secrets) expect(secret).toMatch(/^[\w-]{43}$/);
  });

  it('turns the demo page on and leaves the example as it was', () => {
    const before = structuredClone(example);
    expect(developmentConfig(example).dev).toEqual({ demo: true });
    expect(example).toEqual(before);
  });
});

describe('when the default configuration is written', () => {
  it.each([
    [[], true],
    [['--log.level', 'debug'], true],
    [['-p', '9000'], true],
    [['-c', 'other.json'], false],
    [['-cother.json'], false],
    [['--config=other.json'], false],
    [['version'], false],
    [['checkconfig', '-c', 'x'], false],
  ])('%j: %s', (args, wanted) => {
    expect(wantsDefaultConfig(args)).toBe(wanted);
  });
});
