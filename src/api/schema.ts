/** The part of OpenAPI 3.0 schema objects that is used here (https://spec.openapis.org/oas/v3.0.3#schema-object). */
export interface Schema {
  readonly $ref?: string;
  readonly type?: 'string' | 'boolean' | 'integer' | 'array' | 'object';
  readonly format?: 'int32' | 'int64' | 'uint32' | 'uint64' | 'byte';
  readonly description?: string;
  readonly minimum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

/** A schema of the section `components`. */
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
