import { type Field, Schema } from 'apache-arrow';
import { missingColumn } from './csv-errors.js';
import { SourceError } from './source.js';

/**
 * The schema of files that carry their own: the wanted columns, else all of the first file.
 * @throws SourceError naming file and column, where a file lacks one or has it with another type
 */
export function commonSchema(
  files: readonly { readonly path: string; readonly schema: Schema }[],
  wanted: readonly string[] | undefined,
): Schema {
  const first = files[0]!;
  const columns = wanted ?? first.schema.fields.map(({ name }) => name);
  const fields = columns.map((name) => fieldOf(first.path, first.schema, name));
  for (const { path, schema } of files)
    for (const field of fields) {
      const own = fieldOf(path, schema, field.name);
      if (String(own.type) !== String(field.type))
        throw new SourceError(
          `${path}: the column "${field.name}" is ${own.type}, in ${first.path} it is ${field.type}; write the files alike, or read them apart`,
        );
    }
  return new Schema(fields, first.schema.metadata);
}

function fieldOf(path: string, schema: Schema, name: string): Field {
  const found = schema.fields.find((field) => field.name === name);
  if (found) return found;
  throw missingColumn(
    path,
    name,
    schema.fields.map((field) => field.name),
  );
}
