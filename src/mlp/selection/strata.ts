import { ShuffledRanks } from './ranks.js';

/** Classes and where their rows stand: what gives each row a place among all that depends on the table's order alone. */
export interface Strata {
  readonly column: string;
  readonly classes: readonly string[];
  /** Rows of each. */
  readonly sizes: readonly number[];
  /** Of each partition, for the classes that it holds: the class, and how many of its rows stand in the partitions before. */
  readonly starts: readonly (readonly (readonly [stratum: number, before: number])[])[];
}

/**
 * Pure.
 * @param counts of each partition's rows, by class
 * @param wanted classes whose rows get places; absent: all
 */
export function strataOf(
  column: string,
  counts: readonly ReadonlyMap<string, number>[],
  wanted: readonly string[] = counts.flatMap((part) => [...part.keys()]),
): Strata {
  const classes = [...new Set(wanted)].sort();
  const numbers = new Map(classes.map((name, k) => [name, k]));
  const sizes = classes.map(() => 0);
  const starts = counts.map((part) =>
    [...part].flatMap(([name, count]) => {
      const k = numbers.get(name);
      if (k === undefined) return [];
      sizes[k]! += count;
      return [[k, sizes[k]! - count] as const];
    }),
  );
  return { column, classes, sizes, starts };
}

/**
 * Places 0 … rows - 1 of a partition's rows: class after class, each shuffled by itself. Every k-th place is a stratified sample: of each
 * class it has as many rows as any other such sample, but for one, and so it has of all (scikit-learn's StratifiedKFold). A share of evenly spaced
 * places has that share of each class, to one row.
 */
export class StratifiedRanks {
  readonly #next = new Map<string, { readonly first: number; readonly ranks: ShuffledRanks; row: number }>();

  constructor({ classes, sizes, starts }: Strata, partition: number, seed: number) {
    let all = 0;
    const firsts = sizes.map((size) => {
      all += size;
      return all - size;
    });
    for (const [k, before] of starts[partition]!)
      this.#next.set(classes[k]!, { first: firsts[k]!, ranks: new ShuffledRanks(sizes[k]!, seed, k), row: before });
  }

  /** Of the next row, which has this label; undefined for a label of none of the classes. */
  next(label: string): number | undefined {
    const stratum = this.#next.get(label);
    return stratum && stratum.first + stratum.ranks.of(stratum.row++);
  }
}
