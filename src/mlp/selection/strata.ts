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
 */
export function strataOf(column: string, counts: readonly ReadonlyMap<string, number>[]): Strata {
  const classes = [...new Set(counts.flatMap((part) => [...part.keys()]))].sort();
  const numbers = new Map(classes.map((name, k) => [name, k]));
  const sizes = classes.map(() => 0);
  const starts = counts.map((part) =>
    [...part].map(([name, count]) => {
      const k = numbers.get(name)!;
      sizes[k]! += count;
      return [k, sizes[k]! - count] as const;
    }),
  );
  return { column, classes, sizes, starts };
}

/** Where a row stands in a random order. */
export interface Place {
  /** Among all rows. */
  readonly at: number;
  /** Number of its class; 0 where classes are not told apart. */
  readonly stratum: number;
  /** Among the rows of its class. */
  readonly rank: number;
}

/**
 * Places 0 … rows - 1 of a partition's rows: class after class, each shuffled by itself. Every k-th place is a stratified sample: of each
 * class it has as many rows as any other such sample, but for one, and so it has of all (scikit-learn's StratifiedKFold).
 */
export class StratifiedRanks {
  readonly #next = new Map<string, { stratum: number; first: number; ranks: ShuffledRanks; row: number }>();

  constructor({ classes, sizes, starts }: Strata, partition: number, seed: number) {
    let all = 0;
    const firsts = sizes.map((size) => {
      all += size;
      return all - size;
    });
    for (const [k, before] of starts[partition]!)
      this.#next.set(classes[k]!, {
        stratum: k,
        first: firsts[k]!,
        ranks: new ShuffledRanks(sizes[k]!, seed, k),
        row: before,
      });
  }

  /** Of the next row, which has this label. */
  next(label: string): Place {
    const own = this.#next.get(label)!;
    const rank = own.ranks.of(own.row++);
    return { at: own.first + rank, stratum: own.stratum, rank };
  }
}
