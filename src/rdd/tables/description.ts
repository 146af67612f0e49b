import { inspect } from 'node:util';
import { compareKeys } from '../keys.js';
import type { PartColumn } from './summarise.js';
import { textTable } from './text-table.js';

/** What `describe` tells of a column. */
export interface ColumnDescription {
  readonly type: string;
  /** Values that are not null (in number columns: nor NaN). */
  readonly count: number;
  readonly nulls: number;
  /** Of columns of numbers, as are `stdev` (of the sample) and the quartiles (approximate in large tables). */
  readonly mean?: number;
  readonly stdev?: number;
  /** Of columns of numbers, texts and booleans. */
  readonly min?: number | string | boolean;
  readonly q1?: number;
  readonly median?: number;
  readonly q3?: number;
  readonly max?: number | string | boolean;
}

const STATISTICS = [...(['type', 'count', 'nulls', 'mean', 'stdev', 'min', 'q1', 'median', 'q3', 'max'] as const)];

/** What `describe` tells of a table; printed as text. */
export class TableDescription {
  constructor(
    readonly rows: number,
    readonly columns: Readonly<Record<string, ColumnDescription>>,
  ) {}

  /** One line a column. */
  toString(): string {
    const lines = Object.entries(this.columns).map(([name, column]) => [
      name,
      ...STATISTICS.map((key) => shortened(column[key])),
    ]);
    return textTable(['column', ...STATISTICS], lines);
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

function shortened(value: unknown): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return value === undefined ? '' : String(value).slice(0, 20);
}

/** Pure. @param parts of the partitions: each column's summary, none where a partition has no batch */
export function described(parts: readonly (readonly PartColumn[])[]): TableDescription {
  const filled = parts.filter((part) => part.length > 0);
  const columns = (filled[0] ?? []).map(({ name, type }, k): [string, ColumnDescription] => {
    const own = filled.map((part) => part[k]!);
    return [name, { type, ...merged(own) }];
  });
  const [first] = columns;
  return new TableDescription(first ? first[1].count + first[1].nulls : 0, Object.fromEntries(columns));
}

function merged(parts: readonly PartColumn[]): Omit<ColumnDescription, 'type'> {
  const sum = (of: (part: PartColumn) => number) => parts.reduce((total, part) => total + of(part), 0);
  const count = sum((part) => part.count);
  const common = { count, nulls: sum((part) => part.nulls) };
  const some = parts.filter((part) => part.min !== undefined);
  if (some.length === 0) return common;
  const min = some.map((part) => part.min!).reduce((a, b) => (compareKeys(b, a) < 0 ? b : a));
  const max = some.map((part) => part.max!).reduce((a, b) => (compareKeys(b, a) > 0 ? b : a));
  if (!some[0]!.numbers) return { ...common, min, max };
  const mean = sum((part) => part.count * (part.numbers?.mean ?? 0)) / count;
  const squares = sum((part) =>
    part.numbers ? part.numbers.squares + part.count * (part.numbers.mean - mean) ** 2 : 0,
  );
  const [q1, median, q3] = quantiles(some, [0.25, 0.5, 0.75]);
  const stdev = count > 1 ? Math.sqrt(squares / (count - 1)) : undefined;
  return { ...common, mean, ...(stdev === undefined ? {} : { stdev }), min, q1, median, q3, max };
}

/** The least value with at least such a share of all at or below it, from weighted samples. */
function quantiles(parts: readonly PartColumn[], shares: readonly number[]): number[] {
  const weighted = parts.flatMap(({ count, numbers }) =>
    numbers!.sample.map((value) => ({ value, weight: count / numbers!.sample.length })),
  );
  weighted.sort((a, b) => a.value - b.value);
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  return shares.map((share) => {
    let reached = 0;
    for (const { value, weight } of weighted) {
      reached += weight;
      if (reached >= share * total * (1 - 1e-12)) return value;
    }
    return weighted.at(-1)!.value;
  });
}
