import { createHash } from 'node:crypto';
import type { OptimizerSpec } from '../ps/optimizer/optimizer.js';
import type { UpdateSpec } from '../ps/optimizer/update-spec.js';
import { keyedRandom, shuffledIndices } from '../rdd/random.js';
import type { Precision } from './backend.js';
import type { Initializer } from './initializers.js';
import type { Network } from './network.js';

/** What a plan takes over as it is given. */
interface Settings {
  /** N, training rows. */
  readonly rows: number;
  readonly epochs: number;
  readonly seed: number;
  readonly network: Network;
  readonly initializer?: Initializer;
  /** Of the products of training; absent: float32. */
  readonly precision?: Precision;
  /** Hex SHA-256 of the first weights, where they are not drawn by the seed. */
  readonly warmStart?: string;
  /** Hex SHA-256 of a loss function of the user's own, with what it captured. */
  readonly lossFunction?: string;
  /** What gradient shards do on their own between two merges. Absent: every step of the plan is merged. */
  readonly local?: LocalPlan;
  /** How batch and learning rate follow the noise of gradients. Absent: they do not. */
  readonly adaptive?: AdaptivePlan;
}

/**
 * Everything that determines the numbers of a training run, and nothing else: a pure function of data size,
 * configuration and seed. What a machine measures chooses only where and in which packing the shards are computed.
 *
 * Training row r belongs to shard r mod G, as its local row floor(r / G). An epoch has S = ceil(N / B) steps; in step s
 * shard g gives rows floor((n_g s + o) / S) to floor((n_g (s + 1) + o) / S), o = floor(frac(g φ) S), of its own keyed shuffle,
 * so that every row is used exactly once per epoch and the steps differ by at most G rows, those of small shards by less.
 */
export interface NumericalPlan extends Settings {
  /** B, rows of a global step. */
  readonly batch: number;
  /** G, gradient shards; the reduction tree stands over their numbers (see ps/tree.ts). */
  readonly shards: number;
  /** S. */
  readonly stepsPerEpoch: number;
  /** How sums of gradients become updates. */
  readonly update: UpdateSpec;
  /** Hex SHA-256 of the canonical JSON of all else. */
  readonly hash: string;
}

/** Steps of the plan that a shard makes between two merges, and what a merge does. */
export type LocalPlan =
  /** `partition`: an epoch's. */
  | { readonly kind: 'average'; readonly steps: number | 'partition' }
  /** `rate`: how much of their distance workers are drawn to the centre by. Default 0.9 / G, as its authors. */
  | { readonly kind: 'elastic'; readonly steps: number; readonly rate?: number };

export interface AdaptivePlan {
  /** Rows that the learning rate is for: AdaScale multiplies it for more. */
  readonly baseBatch: number;
  /** Up to which the batch grows from epoch to epoch; absent: it does not. */
  readonly max?: number;
  /** From an epoch to the next, at most. Default 2. */
  readonly growth?: number;
  /** What the batch is chosen by, where not by the noise alone: then the batches of a run do not follow from its plan. */
  readonly by?: 'goodput';
  /** Of each epoch, the last one of all that follow; in the place of growth. */
  readonly batches?: readonly number[];
}

export interface NumericalPlanInput extends Settings {
  readonly batchSize: number;
  readonly optimizer: OptimizerSpec;
  /** What else an update does: schedule, clipping, decay. */
  readonly update?: Omit<UpdateSpec, 'optimizer'>;
  readonly shards?: number;
}

/**
 * A shard costs a gradient more to write and to add, however few its rows: of 784-512-512-10 a quarter of the arithmetic of
 * 64 rows, an eighth of that of 128, and in bfloat16 products of 64 rows take half again as long a row. More than 64
 * shards would only lengthen the tree.
 */
const ROWS_PER_SHARD_AND_STEP = 128;
const MAX_DEFAULT_SHARDS = 64;

/** The largest power of two that leaves 128 rows a shard and step, from 1 to 64: a function of rows and batch alone. */
export function defaultShards(rows: number, batchSize: number): number {
  const room = Math.min(rows, batchSize) / ROWS_PER_SHARD_AND_STEP;
  return 2 ** Math.floor(Math.log2(Math.min(Math.max(room, 1), MAX_DEFAULT_SHARDS)));
}

/**
 * @throws RangeError naming the setting that is not a positive integer
 * @example numericalPlan({ rows: 8000, batchSize: 256, epochs: 30, seed: 1, network, optimizer }).shards // 2
 */
export function numericalPlan(input: NumericalPlanInput): NumericalPlan {
  const { rows, batchSize: batch, epochs, seed, network, initializer, warmStart, lossFunction } = input;
  const { local, adaptive } = input;
  // The default is not written down.
  const precision = input.precision === 'float32' ? undefined : input.precision;
  const update: UpdateSpec = { ...input.update, optimizer: input.optimizer };
  const shards = input.shards ?? defaultShards(rows, batch);
  for (const [name, value] of Object.entries({ rows, batchSize: batch, epochs, shards }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(
        `${name} must be a positive integer, got ${value}${name === 'rows' ? ' (no training rows?)' : ''}`,
      );
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed must be an integer, got ${seed}`);
  const stepsPerEpoch = Math.ceil(rows / batch);
  const content = {
    rows,
    batch,
    shards,
    stepsPerEpoch,
    epochs,
    seed,
    network,
    update,
    initializer,
    precision,
    warmStart,
    lossFunction,
    local,
    adaptive,
  };
  return { ...content, hash: createHash('sha256').update(canonicalJson(content)).digest('hex') };
}

/** Steps of the plan that one update covers: an update may be less than that at an epoch's end. */
export function localStepsOf({ local, stepsPerEpoch }: NumericalPlan): number {
  return local === undefined ? 1 : local.steps === 'partition' ? stepsPerEpoch : local.steps;
}

/** Of an epoch of the plan's batch. */
export function updatesPerEpoch(plan: NumericalPlan): number {
  return Math.ceil(plan.stepsPerEpoch / localStepsOf(plan));
}

/** Of elastic averaging; G times it, which the centre moves by, is at most 1. */
export function elasticRate({ local, shards }: NumericalPlan): number {
  return (local?.kind === 'elastic' ? local.rate : undefined) ?? 0.9 / shards;
}

/** n_g: rows of a shard; row i of all lies in shard i mod G. */
export function shardRows(plan: NumericalPlan, shard: number): number {
  return Math.floor((plan.rows - shard + plan.shards - 1) / plan.shards);
}

/** How many rows a shard gives in a step (0 … stepsPerEpoch - 1). */
export function stepRowCount(plan: NumericalPlan, shard: number, step: number): number {
  const n = shardRows(plan, shard);
  return boundary(n, shard, step + 1, plan) - boundary(n, shard, step, plan);
}

/** The order in which a shard gives its rows (local numbers) in an epoch. */
export function epochOrder(plan: NumericalPlan, epoch: number, shard: number): Int32Array {
  return shuffledIndices(shardRows(plan, shard), keyedRandom(plan.seed, 'shuffle', epoch, shard));
}

/**
 * The local rows a shard gives in a step, a view of the epoch's order. Pass `order` (from `epochOrder`) when going
 * through many steps of one epoch: without it the order is drawn anew.
 */
export function stepRows(
  plan: NumericalPlan,
  epoch: number,
  shard: number,
  step: number,
  order: Int32Array = epochOrder(plan, epoch, shard),
): Int32Array {
  const at = (boundaryStep: number) => boundary(order.length, shard, boundaryStep, plan);
  return order.subarray(at(step), at(step + 1));
}

/** Its multiples spread evenly over the unit interval, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Shards round at different steps: where they have fewer rows than there are steps, all steps have some all the same. */
function boundary(rows: number, shard: number, step: number, { stepsPerEpoch }: NumericalPlan): number {
  const lead = Math.floor(((shard * GOLDEN) % 1) * stepsPerEpoch);
  return Math.floor((rows * step + lead) / stepsPerEpoch);
}

/** JSON with sorted keys and without undefined values: equal content gives equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) =>
    nested !== null && typeof nested === 'object' && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}

/** The first multiple of a number of steps that lies behind a step; of infinitely many: none ever does. */
export const nextMultiple = (step: number, of: number) => (Math.floor(step / of) + 1) * of;
