import { encodeValue } from '../../executor/closure/index.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { type Partitioning, partitioningOf } from '../../scheduler/partitioning.js';
import type { Partitioner, ShuffleFunctions } from '../../scheduler/shuffle-spec.js';
import type { AnyFunction } from '../../scheduler/step.js';
import type { SheafContext } from '../context.js';
import { rangeBounds, type SampledKeys } from './range-bounds.js';

/** How a parent's rows are to be spread; `in place` when they are so already. */
export type Spread =
  | 'in place'
  | { readonly partitions: number; readonly partitioner: Partitioner; readonly functions?: ShuffleFunctions };

/** Keys of the sample for each partition wanted, as Spark's RangePartitioner. */
const SAMPLE_KEYS = 20;
/** Partitions may differ in size: of each more is drawn than its share. */
const SAMPLE_SURPLUS = 3;

/**
 * Equal keys of one RDD come together. Where they are together already nothing moves.
 * @param asked number of partitions; default: the parent's
 */
export function spreadByKey(
  context: SheafContext,
  parent: LineageNode,
  functions: ShuffleFunctions,
  asked?: number,
): () => Promise<Spread> {
  return async () => {
    const count = await context.numPartitions(parent);
    const known = partitioningOf(parent);
    if (known && (asked ?? known.partitions) === known.partitions) return 'in place';
    return { partitions: asked ?? count, partitioner: { kind: 'hash' }, functions };
  };
}

/**
 * Equal keys of several RDDs come to partitions of one number. What is spread as the others will be is left where it is.
 * @param asked number of partitions; default: as the most finely spread of the inputs, else as many as the input with the most
 * @returns one plan an input
 */
export function spreadAlike(
  context: SheafContext,
  parents: readonly LineageNode[],
  asked?: number,
): (() => Promise<Spread>)[] {
  let agreement: Promise<Partitioning> | undefined;
  return parents.map((parent) => async () => {
    agreement ??= agree(context, parents, asked);
    const { partitions, by } = await agreement;
    const known = partitioningOf(parent);
    if (known?.partitions === partitions && known.by === by) return 'in place';
    if (by === 'hash') return { partitions, partitioner: { kind: 'hash' } };
    return { partitions, partitioner: { kind: 'function' }, functions: { place: by as AnyFunction } };
  });
}

async function agree(context: SheafContext, parents: readonly LineageNode[], asked?: number): Promise<Partitioning> {
  const counts: number[] = [];
  for (const parent of parents) counts.push(await context.numPartitions(parent));
  const known = parents
    .flatMap((parent) => partitioningOf(parent) ?? [])
    .filter(({ by }) => by === 'hash' || typeof by === 'function');
  const finest = known.sort((a, b) => b.partitions - a.partitions)[0];
  const most = Math.max(...counts);
  // As Spark: a spread a tenth as fine as it could be would leave slots idle.
  if (asked === undefined && finest && finest.partitions * 10 > most) return finest;
  return { partitions: asked ?? most, by: 'hash' };
}

/** Rows are dealt out, whatever they are. */
export function spreadEvenly(context: SheafContext, parent: LineageNode, partitions: number): () => Promise<Spread> {
  return async () => ({ partitions, partitioner: { kind: 'round-robin', maps: await context.numPartitions(parent) } });
}

/** Neighbouring keys come together, partition after partition in order; a job of its own samples the keys for the bounds. */
export function spreadByRange(
  context: SheafContext,
  parent: LineageNode,
  descending: boolean,
  name: string,
  asked?: number,
): () => Promise<Spread> {
  return async () => {
    const count = await context.numPartitions(parent);
    const partitions = asked ?? count;
    const samples =
      partitions === 1
        ? []
        : await sampleKeys(context, parent, Math.ceil((SAMPLE_SURPLUS * SAMPLE_KEYS * partitions) / count), name);
    const bounds = encodeValue(orderedBounds(samples, partitions, name));
    return { partitions, partitioner: { kind: 'range', bounds, descending } };
  };
}

/** @throws TypeError naming the operator, for keys that have no order */
function orderedBounds(samples: readonly SampledKeys[], partitions: number, name: string): unknown[] {
  try {
    return rangeBounds(samples, partitions);
  } catch (error) {
    throw new TypeError(`${(error as Error).message} (in ${name})`);
  }
}

async function sampleKeys(context: SheafContext, top: LineageNode, size: number, name: string): Promise<SampledKeys[]> {
  const terminal = { kind: 'sample-keys', size } as const;
  const answers = await context.runJob({ top, terminal, name: `${name} (sample)`, uncounted: true }, (answer) =>
    context.readValue<[unknown[], number]>(answer),
  );
  return answers.map(([keys, rows]) => ({ keys, rows }));
}
