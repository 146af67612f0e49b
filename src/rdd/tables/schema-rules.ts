import { DataType, Dictionary, Field, Schema } from 'apache-arrow';
import type { LineageNode } from '../../scheduler/lineage.js';
import { userError } from '../operator-failure.js';

/**
 * What a step makes of its parents' schemas; undefined where only its batches tell. Also called where nothing but the check is
 * wanted. @throws FailureError naming operator and column, when the step cannot work on such tables
 */
export type SchemaRule = (parents: readonly Schema[]) => Schema | undefined;

const rules = new WeakMap<LineageNode, SchemaRule>();

export function giveRule(node: LineageNode, rule: SchemaRule): void {
  rules.set(node, rule);
}

const schemas = new WeakMap<LineageNode, () => Promise<Schema>>();

/** Of a node whose columns do not depend on a table below. */
export function giveSchema(node: LineageNode, schema: () => Promise<Schema>): void {
  schemas.set(node, schema);
}

export function schemaGiven(node: LineageNode): Promise<Schema> | undefined {
  return schemas.get(node)?.();
}

export function ruleOf(node: LineageNode): SchemaRule | undefined {
  return rules.get(node);
}

/** @param name of the operator, for the error @throws FailureError when there is no such column */
export function indexOf(schema: Schema, column: string, name: string): number {
  const index = schema.fields.findIndex((field) => field.name === column);
  if (index >= 0) return index;
  throw userError(
    `${name}: there is no column "${column}"; there are ${schema.names.map(String).join(', ') || 'none'}`,
  );
}

export function fieldOf(schema: Schema, column: string, name: string): Field {
  return schema.fields[indexOf(schema, column, name)]!;
}

export function schemaWith(schema: Schema, fields: readonly Field[]): Schema {
  return new Schema([...fields], schema.metadata);
}

/** With nulls allowed. */
export function nullable(field: Field): Field {
  return field.nullable ? field : new Field(field.name, field.type, true, field.metadata);
}

/** Integers, floats and decimals. */
export function isNumeric(type: DataType): boolean {
  return DataType.isInt(type) || DataType.isFloat(type) || DataType.isDecimal(type);
}

/** @throws FailureError when the column holds no numbers */
export function requireNumeric(schema: Schema, column: string, name: string, what: string): void {
  const { type } = fieldOf(schema, column, name);
  if (!isNumeric(type) && !DataType.isBool(type))
    throw userError(`${name}: ${what} needs a column of numbers, and "${column}" holds ${type}`);
}

/** Fields of one table must not share a dictionary's id unless they share the dictionary: later ones get new ids. */
export function apart(fields: readonly Field[], from: number): Field[] {
  const used = new Set(fields.slice(0, from).flatMap(({ type }) => (type instanceof Dictionary ? [type.id] : [])));
  let next = Math.max(-1, ...used) + 1;
  return fields.map((field, k) => {
    const { type } = field;
    if (k < from || !(type instanceof Dictionary) || !used.has(type.id)) return field;
    const own = new Dictionary(type.dictionary, type.indices, next++, type.isOrdered);
    return new Field(field.name, own, field.nullable, field.metadata);
  });
}

/** Of tables put side by side. @throws FailureError naming the first difference of names or types */
export function commonColumns(schemas: readonly Schema[], name: string): Schema {
  for (const schema of schemas) {
    const difference = differenceOf(schemas[0]!, schema);
    if (difference !== undefined)
      throw userError(`${name}: ${difference}; select, rename or withColumn make tables alike`);
  }
  return schemas[0]!;
}

/** In names or types of columns, as text; undefined where there is none. */
export function differenceOf(a: Schema, b: Schema): string | undefined {
  if (a === b) return undefined;
  for (let k = 0; k < Math.max(a.fields.length, b.fields.length); k++) {
    const [x, y] = [shownField(a.fields[k]), shownField(b.fields[k])];
    if (x !== y) return `column ${k + 1} is ${x} here and ${y} there`;
  }
  return undefined;
}

const shownField = (field: Field | undefined) => (field ? `"${field.name}" (${field.type})` : 'missing');
