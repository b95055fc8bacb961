import { z } from 'zod';
import { configSchema } from './config.js';

/** The JSON Schema of a configuration file, for editors and for checks outside of Gyre. */
export function jsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(configSchema, { io: 'input' }), title: 'Gyre configuration' };
}
