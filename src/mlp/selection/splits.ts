import type { Json } from '../../protocol/json.js';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { keyedRandom, shuffledIndices } from '../../rdd/random.js';
import { shortList } from '../columns.js';
import { scanTable, type ValueCounts } from '../pipeline/fit-scan.js';
import { allotment, sumOf, wanted } from './allotment.js';
import type { Kept } from './split-step.js';
import { type Strata, strataOf } from './strata.js';

/** Two parts of a table that together are all of it. */
export interface Split {
  readonly train: ArrowRDD;
  readonly validation: ArrowRDD;
}

/** How rows are told apart. */
export interface SplitOptions {
  /** Column whose equal values stay together: the rows of one person never stand on both sides. */
  readonly group?: string;
  /** Of splits by rows: column of classes that each part has in the same shares, as far as rows can be told apart by it. */
  readonly strata?: string;
  /** Whether it is an error that they cannot. Default false. */
  readonly insists?: boolean;
  readonly seed: number;
  /** For the names of the jobs: `CrossValidator.fit at job.ts:12`. */
  readonly name: string;
}

/**
 * Holds out a share of the rows, or of the groups (in an order drawn by the seed, each that still fits). The same rows for every
 * partitioning of the table. Of each of the `strata` the same share is held out, to one row, and so many that they are the share of
 * all rows; each class keeps a row to be learnt from. Warns of classes none of whose rows are held out.
 * @param share of the validation part, above 0 and below 1
 * @throws Error when each of the `strata` has one row only, and for fewer than two groups
 */
export async function holdOut(table: ArrowRDD, share: number, options: SplitOptions): Promise<Split> {
  if (options.group !== undefined) {
    const groups = await groupsOf(table, options.group, options);
    if (groups.size < 2)
      throw new Error(
        `${options.name}: column "${options.group}" holds ${groups.size === 1 ? `one group only, "${[...groups.keys()][0]}"` : 'no groups, as the table has no rows'}; ` +
          'two are needed to hold one out',
      );
    return byGroups(table, options.group, heldOutGroups(groups, share, options.seed));
  }
  const { strata: column, seed } = options;
  const counts = column === undefined ? undefined : await classesOf(table, column, options);
  if (!counts) return rowSplit(table, await table.countPerPartition(), seed, (part) => ({ shares: [share], part }));
  const strata = strataOf(column!, counts);
  const held = allotment(strata.sizes, share, seed);
  checkHeld(table, strata, held, share, options);
  const shares = held.map((rows, k) => rows / strata.sizes[k]!);
  return rowSplit(table, counts.map(rowsIn), seed, (part) => ({ shares, part }), strata);
}

/** k splits: every row, or group, is in the validation part of exactly one. */
export async function kFolds(table: ArrowRDD, folds: number, options: SplitOptions): Promise<Split[]> {
  const numbers = Array.from({ length: folds }, (_, fold) => fold);
  if (options.group !== undefined) {
    const groups = await groupsOf(table, options.group, options);
    if (groups.size < folds)
      throw new Error(
        `${options.name}: column "${options.group}" holds ${groups.size} groups, too few for ${folds} folds`,
      );
    const assigned = groupFolds(groups, folds, options.seed);
    return numbers.map((fold) => byGroups(table, options.group!, assigned[fold]!));
  }
  const counts = options.strata === undefined ? undefined : await classesOf(table, options.strata, options);
  const rows = counts ? counts.map(rowsIn) : await table.countPerPartition();
  const total = sumOf(rows);
  if (total < folds) throw new Error(`${options.name}: the table has ${total} rows, too few for ${folds} folds`);
  const strata = counts && strataOf(options.strata!, counts);
  if (strata) checkStrata(table, strata, folds, options);
  return numbers.map((fold) => rowSplit(table, rows, options.seed, (part) => ({ folds, fold, part }), strata));
}

const rowsIn = (counts: ReadonlyMap<string, number>) => sumOf([...counts.values()]);

/** Rows of each partition by class; undefined where the column is made by a stage only, or gives rows many labels. */
async function classesOf(
  table: ArrowRDD,
  column: string,
  { name, insists = false }: SplitOptions,
): Promise<ReadonlyMap<string, number>[] | undefined> {
  const parts = await scanTable<ValueCounts>(table, { scan: 'classes', column }, name);
  if (parts.some(({ none }) => none)) {
    if (!insists) return undefined;
    throw new TypeError(
      `${name}: stratify: true needs a column "${column}" of one class a row; it holds lists, or is made by a stage only: leave stratify out`,
    );
  }
  if (parts.some(({ nulls }) => nulls > 0))
    throw new Error(
      `${name}: column "${column}" has rows without a label; leave such rows out: where("${column}", (label) => label !== null)`,
    );
  return parts.map(({ counts }) => counts);
}

/** @throws Error for a class that is nowhere to be learnt from while it is held out */
function checkStrata(table: ArrowRDD, { column, classes, sizes }: Strata, folds: number, { name }: SplitOptions): void {
  const few = classes.filter((_, k) => sizes[k]! < folds);
  const single = classes.find((_, k) => sizes[k] === 1);
  if (single !== undefined && classes.length > 1)
    throw new Error(
      `${name}: one row only has the label "${single}" of column "${column}": while it is held out nothing is left to learn it from. ` +
        'Leave such classes out, or put them together',
    );
  if (few.length === 0) return;
  const message = `${name}: classes of column "${column}" with fewer rows than the ${folds} folds are missing in some: ${shortList(few)}`;
  table.context.bus.emit({ event: 'warning', message });
}

/** @throws Error when there are rows to hold out and no class has one to spare */
function checkHeld(
  table: ArrowRDD,
  { column, classes, sizes }: Strata,
  held: readonly number[],
  share: number,
  { name }: SplitOptions,
): void {
  const [rows, asked] = [sumOf(held), wanted(sizes, share)];
  if (asked === 0) return; // said by those who have no row to judge by
  if (rows === 0)
    throw new Error(
      `${name}: each label of column "${column}" is that of one row: none can be held out while another is left to learn it from. ` +
        'Hold out rows as they come (stratify: false), or put classes together',
    );
  const none = classes.filter((_, k) => held[k] === 0);
  if (none.length === 0) return;
  const few = rows < asked ? `; ${rows} rows are held out in place of ${asked}` : '';
  const message =
    `${name}: of classes of column "${column}" with too few rows for a share of ${Number(share.toPrecision(6))} none is held out: ${shortList(none)}${few}. ` +
    'They are learnt and not judged by; put such classes together, or leave them out';
  table.context.bus.emit({ event: 'warning', message });
}

type Rule = (part: 'train' | 'validation') => Kept;

function rowSplit(table: ArrowRDD, rows: readonly number[], seed: number, rule: Rule, strata?: Strata): Split {
  let next = 0;
  const firstRows = rows.map((count) => {
    next += count;
    return next - count;
  });
  const side = (part: 'train' | 'validation') =>
    table.transformBy(
      'mlp/selection/split-step',
      { firstRows, rows: next, seed, kept: rule(part), ...(strata && { strata }) } as unknown as Json,
      part,
    );
  return { train: side('train'), validation: side('validation') };
}

function byGroups(table: ArrowRDD, column: string, validation: readonly string[]): Split {
  const side = (part: 'train' | 'validation') =>
    table.transformBy('mlp/selection/group-step', { column, groups: validation, part } as unknown as Json, part);
  return { train: side('train'), validation: side('validation') };
}

async function groupsOf(table: ArrowRDD, column: string, { name }: SplitOptions): Promise<Map<string, number>> {
  const parts = await scanTable<ValueCounts>(table, { scan: 'values', column }, name);
  const groups = new Map<string, number>();
  for (const { counts, nulls } of parts) {
    if (nulls > 0) throw new Error(`${name}: column "${column}" has rows without a value: each row needs a group`);
    for (const [group, count] of counts) groups.set(group, (groups.get(group) ?? 0) + count);
  }
  return groups;
}

/**
 * Pure: groups dealt to folds so that these get about as many rows: the largest first, each to the fold with the fewest rows
 * (scikit-learn's GroupKFold); the seed orders groups of equal size.
 */
export function groupFolds(groups: ReadonlyMap<string, number>, folds: number, seed: number): string[][] {
  const assigned = Array.from({ length: folds }, (): string[] => []);
  const sizes = new Array<number>(folds).fill(0);
  for (const group of bySize(groups, seed)) {
    const lightest = sizes.indexOf(Math.min(...sizes));
    assigned[lightest]!.push(group);
    sizes[lightest]! += groups.get(group)!;
  }
  return assigned;
}

/**
 * Pure: groups that together hold about `share` of the rows: in an order drawn by the seed, each that still fits, at least
 * one, never all.
 * @param groups two at least
 */
export function heldOutGroups(groups: ReadonlyMap<string, number>, share: number, seed: number): string[] {
  const total = sumOf([...groups.values()]);
  const order = drawn(groups, seed);
  const held: string[] = [];
  let rows = 0;
  for (const group of order) {
    if (rows + groups.get(group)! > share * total || held.length === groups.size - 1) continue;
    held.push(group);
    rows += groups.get(group)!;
  }
  if (held.length > 0) return held;
  return [order.reduce((least, group) => (groups.get(group)! < groups.get(least)! ? group : least))];
}

/** In an order drawn by the seed, whatever the order of the map. */
function drawn(groups: ReadonlyMap<string, number>, seed: number): string[] {
  const names = [...groups.keys()].sort();
  return [...shuffledIndices(names.length, keyedRandom(seed, 'groups'))].map((k) => names[k]!);
}

function bySize(groups: ReadonlyMap<string, number>, seed: number): string[] {
  return drawn(groups, seed).sort((a, b) => groups.get(b)! - groups.get(a)!);
}
