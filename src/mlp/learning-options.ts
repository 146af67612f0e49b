import { isSync } from '../ps/server/consistency.js';
import type { ServerOptions } from '../ps/server/options.js';
import type { AllReduceOptions } from './allreduce-rounds.js';
import type { AdaptivePlan, LocalPlan } from './numerical-plan.js';
import { COUNT, FLAG, type Form, type Forms, oneOf, POSITIVE } from './options.js';

/** Options of an estimator that say how much is learnt between two merges, and at what rate. */
export interface LearningOptions {
  /**
   * Rows of a global step, however many slots compute it. Default 256. `auto`: begins so and grows from epoch to epoch with the
   * gradient noise scale, the learning rate by AdaScale; or with its bounds, or by goodput. A list: of each epoch, the last one
   * of all that follow, the learning rate by AdaScale.
   */
  readonly batchSize?: number | 'auto' | GrowingBatch | readonly number[];
  /** Measures the gradient noise scale (McCandlish et al. 2018) and reports it. Default: where something follows it. */
  readonly noiseScale?: boolean;
  /**
   * The learning rate is that for `baseBatchSize` rows a step, and grows with the batch: by its ratio (`linear`, Goyal et al. 2017),
   * its root (`sqrt`), or as the noise of gradients allows (`adascale`, Johnson et al. 2020; of Adam and its relatives the
   * root of the gain). Default: the learning rate is taken as it is; with a growing batch `adascale`.
   */
  readonly learningRateScaling?: 'linear' | 'sqrt' | 'adascale';
  /** Default 256; with a growing batch its `min`. */
  readonly baseBatchSize?: number;
  /**
   * Steps that every gradient shard makes on its own rows before the weights of all are averaged, by their rows (SparkNet,
   * FedAvg); `partition`: an epoch's. Default 1: every step is merged as gradients.
   */
  readonly localSteps?: number | 'partition';
  /** Elastic averaging (EASGD, Zhang et al. 2015): gradient shards keep weights of their own, drawn to a common centre. */
  readonly elastic?: ElasticOptions;
}

export interface GrowingBatch {
  /**
   * What the batch of the next epoch is chosen by. `noise`, the default: the gradient noise scale. `goodput` (Pollux, Qiao et al.
   * 2021): the most rows a second that count, by the noise and by what steps were measured to take; it then follows from the
   * machine too, and another run repeats the bits when it is given the batches of this one (`model.measured`) as a list.
   */
  readonly auto?: 'noise' | 'goodput';
  /** To begin with. Default 256. */
  readonly min?: number;
  /** Default 32 times `min`, and never more than there are rows. */
  readonly max?: number;
  /** Of an epoch's batch by the next, at most; with goodput also what it may shrink by. Default 2. */
  readonly growth?: number;
}

export interface ElasticOptions {
  /** What part of their distance shards are drawn to the centre by, and it to each of them. Default 0.9 / shards. */
  readonly rate?: number;
  /** Steps between two merges. Default 10. */
  readonly period?: number;
}

const DEFAULT_BATCH = 256;
const DEFAULT_PERIOD = 10;
/** How far AdaScale's authors scaled, and more than any of Pollux' jobs gained from. */
const LARGEST_SCALE = 32;

const objectOf =
  (forms: Readonly<Record<string, Form>>) =>
  (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(
      ([name, each]) => Object.hasOwn(forms, name) && (each === undefined || forms[name]![0](each)),
    );
const isGrowing = objectOf({
  ...{ auto: oneOf('noise', 'goodput'), min: COUNT, max: COUNT },
  growth: [(value) => value > 1 && Number.isFinite(value), ''],
});
const isList = (value: unknown): value is readonly number[] => Array.isArray(value);
const areBatches = (value: unknown) => isList(value) && value.length > 0 && value.every((each) => COUNT[0](each));
const isElastic = objectOf({ rate: POSITIVE, period: COUNT });

export const LEARNING_FORMS: Forms<LearningOptions> = {
  batchSize: [
    (value) => COUNT[0](value) || value === 'auto' || (isList(value) ? areBatches(value) : isGrowing(value)),
    "a whole number of at least 1, 'auto', { auto: 'noise' or 'goodput', min, max, growth: above 1 }, or a list of such numbers",
  ],
  noiseScale: FLAG,
  learningRateScaling: oneOf('linear', 'sqrt', 'adascale'),
  baseBatchSize: COUNT,
  localSteps: [(value) => COUNT[0](value) || value === 'partition', "a whole number of at least 1, or 'partition'"],
  elastic: [isElastic, '{ rate: a number above 0, period: a whole number of at least 1 }'],
};

type Given = LearningOptions &
  Pick<ServerOptions, 'consistency' | 'consistencyOf' | 'filters'> & { readonly allReduce?: AllReduceOptions };

/** What the options say of a training on so many rows. */
export interface Learning {
  readonly batchSize: number;
  readonly local?: LocalPlan;
  readonly adaptive?: AdaptivePlan;
  readonly measure: boolean;
}

/** Pure. @param searches whether the optimizer takes all rows at once */
export function learningOf(options: LearningOptions, rows: number, searches: boolean): Learning {
  const { batchSize = DEFAULT_BATCH, noiseScale, learningRateScaling, localSteps = 1, elastic } = options;
  if (searches) return { batchSize: rows, measure: false };
  const batch = firstBatch(batchSize);
  const baseBatch = baseBatchOf(options);
  const growth = growthOf(batchSize, rows);
  const adaptive = growth || learningRateScaling === 'adascale' ? { baseBatch, ...growth } : undefined;
  const local: LocalPlan | undefined = elastic
    ? { kind: 'elastic', steps: elastic.period ?? DEFAULT_PERIOD, ...(elastic.rate && { rate: elastic.rate }) }
    : localSteps !== 1
      ? { kind: 'average', steps: localSteps }
      : undefined;
  return { batchSize: batch, local, adaptive, measure: noiseScale ?? adaptive !== undefined };
}

type BatchSize = NonNullable<LearningOptions['batchSize']>;

/** Of the first epoch. */
function firstBatch(batchSize: BatchSize): number {
  if (typeof batchSize === 'number') return batchSize;
  if (isList(batchSize)) return batchSize[0]!;
  return (batchSize === 'auto' ? undefined : batchSize.min) ?? DEFAULT_BATCH;
}

function growthOf(batchSize: BatchSize, rows: number): Omit<AdaptivePlan, 'baseBatch'> | undefined {
  if (typeof batchSize === 'number') return undefined;
  if (isList(batchSize)) return { batches: batchSize };
  const { auto = 'noise', max, growth = 2 } = batchSize === 'auto' ? {} : batchSize;
  const bounds = { max: Math.min(max ?? LARGEST_SCALE * firstBatch(batchSize), rows), growth };
  return auto === 'goodput' ? { ...bounds, by: 'goodput' } : bounds;
}

/** Rows a step that the learning rate is for. */
export function baseBatchOf({ batchSize = DEFAULT_BATCH, baseBatchSize }: LearningOptions): number {
  return baseBatchSize ?? (typeof batchSize === 'number' ? DEFAULT_BATCH : firstBatch(batchSize));
}

/** @throws TypeError naming options that exclude each other */
export function checkLearning(owner: string, options: Given, searches: boolean): void {
  const { batchSize, noiseScale, learningRateScaling, baseBatchSize, localSteps, elastic } = options;
  const { allReduce, filters, consistency = 'sync', consistencyOf } = options;
  const refuse = (message: string): never => {
    throw new TypeError(`${owner}: ${message}`);
  };
  const growing = batchSize !== undefined && typeof batchSize !== 'number';
  const bounds = typeof batchSize === 'object' && !isList(batchSize) ? batchSize : {};
  if ((bounds.max ?? Infinity) < (bounds.min ?? DEFAULT_BATCH))
    refuse(`batchSize's max ${bounds.max} is below its min ${bounds.min ?? DEFAULT_BATCH}`);
  if (growing && learningRateScaling !== undefined && learningRateScaling !== 'adascale')
    refuse(`a growing batch needs learningRateScaling 'adascale', not '${learningRateScaling}'`);
  if (baseBatchSize !== undefined && learningRateScaling === undefined && !growing)
    refuse('baseBatchSize is what learningRateScaling scales from; give that too');
  const measures = noiseScale || growing || learningRateScaling === 'adascale';
  if (noiseScale === false && (growing || learningRateScaling === 'adascale'))
    refuse('noiseScale cannot be false where batch or learning rate follow it');
  const local = elastic ? 'elastic' : localSteps !== undefined && localSteps !== 1 ? 'localSteps' : undefined;
  if (elastic && localSteps !== undefined) refuse("elastic and localSteps exclude each other; give elastic's period");
  if (measures && local) refuse(`the noise of gradients is not known with ${local}, which merges no gradients`);
  const apart = !isSync(consistency) || consistencyOf !== undefined;
  if (apart && (measures || elastic))
    refuse(`${elastic ? 'elastic' : 'measuring the noise of gradients'} needs consistency 'sync'`);
  const lossy = [allReduce?.wire, filters?.wire].some((wire) => wire !== undefined && wire !== 'float32');
  if (lossy && measures) refuse("the noise of gradients is measured with wire 'float32' only");
  if (!searches) return;
  const others = { batchSize, noiseScale, learningRateScaling, baseBatchSize, localSteps, elastic };
  const useless = Object.entries(others).filter(([, value]) => value !== undefined);
  if (useless.length > 0) refuse(`l-bfgs takes all rows at once and no ${useless.map(([name]) => name).join(', ')}`);
  if (lossy) refuse("l-bfgs needs exact sums, wire 'float32'");
}
