import type { TaskContext } from '../../protocol/program.js';
import { type Chunk, type Chunks, pairsOf } from '../chunks.js';
import { joinPairs, Pairs } from '../columns.js';
import { estimateBytes } from '../memory/estimate.js';
import { Buckets, MAX_LEVEL } from './buckets.js';
import { CombineTable } from './combine-table.js';
import { cutByHash } from './cut-by-hash.js';
import { Reservation } from './reservation.js';
import { JoinedBuilder, RightSide } from './right-side.js';

/** Which side's keys stay though the other side lacks them. */
export type JoinKeep = 'matched' | 'left' | 'right' | 'all';

/** Index and chain of 4 bytes a row, keys and places of the table: beside the rows themselves. */
const INDEX_BYTES = 32;

/** Rows of one input: in memory, or on disk by buckets. */
type Gathered = { readonly pairs: readonly Pairs[] } | { readonly buckets: Buckets };

/**
 * Hash join of one partition: the right side is held in memory and the left one streams past it; a right side too large for
 * the slot's memory is cut into buckets on disk, the left side too, and these are joined one by one.
 * @returns `[key, [left, right]]`, undefined standing for a side that lacks the key; unmatched right rows last
 */
export async function* join(
  [left, right]: readonly [Chunks, Chunks],
  keep: JoinKeep,
  name: string,
  context: TaskContext,
  level = 0,
): Chunks {
  using memory = new Reservation();
  const gathered = await gather(right, name, context, memory, level);
  if ('pairs' in gathered) return yield* joinInMemory(left, gathered.pairs, keep, name);
  memory.reset();
  using rights = gathered.buckets;
  using lefts = await new Buckets(level, context).addAll(left, name);
  for (const bucket of rights) yield* join([lefts.read(bucket), rights.read(bucket)], keep, name, context, level + 1);
}

/** Groups the rows of several inputs by key: `[key, [values in the first, values in the second, …]]`. */
export async function* cogroup(inputs: readonly Chunks[], name: string, context: TaskContext, level = 0): Chunks {
  using memory = new Reservation();
  const gathered: Gathered[] = [];
  for (const input of inputs) gathered.push(await gather(input, name, context, memory, level));
  const inMemory = gathered.flatMap((each) => ('pairs' in each ? [each.pairs] : []));
  if (inMemory.length === inputs.length) return yield grouped(inMemory);
  memory.reset();
  const buckets = gathered.map((each) => ('buckets' in each ? each.buckets : bucketsOf(each.pairs, level, context)));
  try {
    for (const bucket of buckets[0]!)
      yield* cogroup(
        buckets.map((each) => each.read(bucket)),
        name,
        context,
        level + 1,
      );
  } finally {
    for (const each of buckets) each[Symbol.dispose]();
  }
}

async function gather(
  chunks: Chunks,
  name: string,
  context: TaskContext,
  memory: Reservation,
  level: number,
): Promise<Gathered> {
  const pairs: Pairs[] = [];
  let buckets: Buckets | undefined;
  for await (const chunk of chunks) {
    const rows = pairsOf(chunk, name);
    if (buckets) buckets.add(rows);
    else {
      pairs.push(rows);
      if (memory.grows(estimateBytes(rows) + INDEX_BYTES * rows.length) || level === MAX_LEVEL) continue;
      buckets = bucketsOf(pairs, level, context);
      pairs.length = 0;
    }
  }
  return buckets ? { buckets } : { pairs };
}

function bucketsOf(pairs: readonly Pairs[], level: number, context: TaskContext): Buckets {
  const buckets = new Buckets(level, context);
  for (const each of pairs) buckets.add(each);
  return buckets;
}

/** More rows outgrow the processor's caches: they are cut by hash, and each chunk of the left side with them. */
const CACHED_ROWS = 1 << 15;

async function* joinInMemory(left: Chunks, right: readonly Pairs[], keep: JoinKeep, name: string): Chunks {
  const rows = joinPairs(right);
  const cuts = rows.length > CACHED_ROWS && rows.keys instanceof Float64Array;
  const sides = (cuts ? cutByHash(rows) : [rows]).map((part) => new RightSide(part, keep));
  const out = new JoinedBuilder();
  for await (const chunk of left) {
    const pairs = pairsOf(chunk, name);
    for (const [k, part] of (cuts ? cutByHash(pairs) : [pairs]).entries()) yield* sides[k]!.match(part, out);
  }
  if (keep === 'right' || keep === 'all') for (const side of sides) yield* side.unmatched(out);
  if (out.length > 0) yield out.take();
}

function grouped(inputs: readonly (readonly Pairs[])[]): Chunk {
  const table = new CombineTable();
  const groups: unknown[][][] = [];
  for (const [input, list] of inputs.entries())
    for (const { keys, values } of list)
      for (let i = 0; i < keys.length; i++) {
        let entry = table.locate(keys[i]);
        if (entry < 0) {
          entry = table.size;
          table.append(keys[i], 0);
          groups.push(inputs.map(() => []));
        }
        groups[entry]![input]!.push(values[i]);
      }
  return new Pairs(table.pairs().keys, groups);
}
