import { SourceError } from './source.js';

/** Columns that every row of a file gets from the file's path, as JSON. */
export interface PathColumns {
  readonly pattern: string;
  readonly flags: string;
  readonly types: Readonly<Record<string, PathColumnType>>;
}

export type PathColumnType = 'utf8' | 'int32' | 'float64';

/** Names of the pattern's groups, in the order in which they open. */
export function groupNames(pattern: RegExp): string[] {
  return Object.keys(new RegExp(`${pattern.source}|`, pattern.flags).exec('')?.groups ?? {});
}

/** @throws SourceError naming the file, when the pattern does not fit its path or a number is none */
export function pathValues({ pattern, flags, types }: PathColumns, path: string): Record<string, string | number> {
  const groups = new RegExp(pattern, flags).exec(path)?.groups;
  if (!groups) throw new SourceError(`${path}: the path does not fit pathColumns /${pattern}/${flags}`);
  return Object.fromEntries(
    Object.entries(groups).map(([name, text]) => {
      if (text === undefined)
        throw new SourceError(`${path}: pathColumns /${pattern}/${flags} finds no "${name}" in the path`);
      const type = types[name] ?? 'utf8';
      if (type === 'utf8') return [name, text];
      const value = Number(text);
      if (text.trim() === '' || Number.isNaN(value) || (type === 'int32' && (value | 0) !== value))
        throw new SourceError(`${path}: "${text}", the path's "${name}", is no ${type}`);
      return [name, value];
    }),
  );
}
