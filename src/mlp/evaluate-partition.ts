import type { RecordBatch } from 'apache-arrow';
import { decodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { packPayload } from '../rdd/payload.js';
import { labelTexts, listValues, requireFinite, shortList } from './columns.js';
import { ClassificationScores, type ClassificationState } from './metrics/classification.js';
import { ManyLabelScores, type ManyLabelState } from './metrics/many-label.js';
import { countingRanker, listingRanker, type Ranker, rankClasses, rankLabels } from './metrics/ranker.js';
import { Negatives, type ScoredRows, type ScoreList, type Thresholds } from './metrics/ranking.js';
import { RegressionErrors, type RegressionSums } from './metrics/regression.js';
import type { Network } from './network.js';
import { classProbabilities, unscaled } from './predictions.js';
import { type PredictorSpec, residentPredictor } from './predictor.js';
import { exactWeights, type Labels, labelMatrix, type TargetSpec, unseenText, valueMatrix } from './targets.js';

export interface EvaluateParameters extends PredictorSpec {
  readonly features: string;
  readonly target: TargetSpec;
  /** Column of the rows' weights; absent: 1 each. */
  readonly weight?: string;
  readonly unseenLabels: 'error' | 'wrong';
  /** Of classifiers of many labels. */
  readonly threshold: number;
  readonly ranking: RankingPass;
}

/**
 * What a pass collects for areas under curves. `both`: scores of all rows, of the second of two classes. `positives`: of each class those of
 * its own rows; then, in another pass, where those of all other rows fall among them: neither the slots nor the driver hold rows x classes.
 */
export type RankingPass =
  | 'none'
  | 'both'
  | 'positives'
  /** `thresholds`: a block of them. `unit`: what weights are rounded to, 0: not at all. */
  | { readonly thresholds: BlockRef; readonly unit: number };

export type ScoreState = ClassificationState | ManyLabelState | RegressionSums;

/** Encoded, in a `Payload`: much of it would not fit a message from some thousand classes on. */
export interface PartitionEvaluation<S extends ScoreState = ScoreState> {
  readonly state: S;
  /** Labels that were not seen in training. */
  readonly unseen: readonly string[];
  /** By class. */
  readonly positives: readonly ScoredRows[];
  readonly negatives: readonly ScoredRows[];
}

/** What is right and wrong in a partition, added up batch by batch. */
interface Scores {
  /** @param outputs of the network @param before rows of the partition before this batch @returns labels not seen in training */
  add(batch: RecordBatch, outputs: Float32Array, before: number, weights?: Float64Array): readonly string[];
  toState(): ScoreState;
}

/** Values that a network computes at once, in its widest layer: a batch may have as many rows as its partition. */
const VALUES_AT_ONCE = 2 ** 24;

/**
 * Terminal: predicts the partition's rows and scores them.
 * @returns a `PartitionEvaluation`; in a pass by thresholds the counts of `Negatives`
 */
export async function consume(
  chunks: Chunks,
  parameters: Json,
  context: TaskContext,
  partition: number,
): Promise<Json> {
  const spec = parameters as unknown as EvaluateParameters;
  const { features, network, ranking } = spec;
  const lists = { positives: new Map<number, ScoreList>(), negatives: new Map<number, ScoreList>() };
  const counts = typeof ranking === 'object' ? await negativesOf(ranking.thresholds, context) : undefined;
  const scores = scoresOf(
    spec,
    counts ? countingRanker(counts) : ranking === 'none' ? undefined : listingRanker(lists, ranking === 'both'),
  );
  const unseen = new Set<string>();
  const rowsAtOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / widest(network)));
  let rows = 0;
  for await (const chunk of chunks) {
    if (!isBatch(chunk)) continue;
    for (let from = 0; from < chunk.numRows; from += rowsAtOnce) {
      const batch = chunk.numRows > rowsAtOnce ? chunk.slice(from, from + rowsAtOnce) : chunk;
      const predictor = await residentPredictor(spec, context);
      const values = listValues(batch, features, network.inputs, rows);
      requireFinite(batch, features, rows);
      const weights = spec.weight === undefined ? undefined : exactWeights(batch, spec.weight, rows);
      const outputs = predictor.predict(values, batch.numRows);
      for (const label of scores.add(batch, outputs, rows, rounded(weights))) unseen.add(label);
      if (unseen.size > 0 && spec.unseenLabels === 'error') throw unseenError(spec.target, [...unseen]);
      rows += batch.numRows;
    }
  }
  const scored = (of: Map<number, ScoreList>) =>
    Array.from({ length: ranking === 'none' ? 0 : rankedClasses(spec) }, (_, k) => of.get(k)?.toState() ?? NO_ROWS);
  const result = counts
    ? counts.counts
    : ({
        ...{ state: scores.toState(), unseen: [...unseen] },
        ...{ positives: scored(lists.positives), negatives: ranking === 'both' ? scored(lists.negatives) : [] },
      } satisfies PartitionEvaluation);
  return packPayload(result, `${spec.id}:${partition}`, spec.scope, context);

  function rounded(weights: Float64Array | undefined): Float64Array | undefined {
    const unit = typeof ranking === 'object' ? ranking.unit : 0;
    return unit > 0 ? weights?.map((weight) => Math.round(weight / unit) * unit) : weights;
  }
}

const NO_ROWS: ScoredRows = { scores: new Float32Array(0) };

/** Classes, or labels, that have areas of their own: of two classes the second one. */
export function rankedClasses({ target }: Pick<EvaluateParameters, 'target'>): number {
  if (target.kind === 'values') return 0;
  return target.kind === 'class' && target.classes.length === 2 ? 1 : target.classes.length;
}

const widest = ({ inputs, hidden, outputs }: Network) =>
  Math.max(inputs, outputs, ...hidden.map((layer) => ('units' in layer ? layer.units : 0)));

async function negativesOf(thresholds: BlockRef, { blocks }: TaskContext): Promise<Negatives> {
  return new Negatives(decodeValue(await blocks.get(thresholds)) as Thresholds);
}

function scoresOf({ target, threshold }: EvaluateParameters, ranker: Ranker | undefined): Scores {
  switch (target.kind) {
    case 'class': {
      const { classes } = target;
      const numbers = new Map(classes.map((name, k) => [name, k]));
      const scores = new ClassificationScores(classes.length);
      return {
        add(batch, outputs, before, weights) {
          const texts = labelTexts(batch, target.column, before);
          const truth = texts.map((text) => numbers.get(text) ?? classes.length);
          const probabilities = classProbabilities(outputs, { target }, batch.numRows);
          scores.add(truth, probabilities, weights);
          if (ranker) rankClasses(ranker, truth, probabilities, classes.length, weights);
          return texts.filter((_, row) => truth[row] === classes.length);
        },
        toState: () => scores.toState(),
      };
    }
    case 'labels': {
      const scores = new ManyLabelScores(target.classes.length, threshold);
      return {
        add(batch, outputs, before, weights) {
          const { truth, unknown } = labelMatrix(batch, target, before);
          scores.add(truth, outputs, weights, (row) => unknown.has(row));
          if (ranker) rankLabels(ranker, truth, outputs, target.classes.length, weights);
          return [...unknown.values()].flat();
        },
        toState: () => scores.toState(),
      };
    }
    case 'values': {
      const errors = new RegressionErrors(target.width);
      return {
        add(batch, outputs, before, weights) {
          const truth = valueMatrix(batch, target.columns, before);
          if (truth.length !== outputs.length) throw widthError(target, truth.length / batch.numRows);
          errors.add(truth, unscaled(outputs, target), weights);
          return [];
        },
        toState: () => errors.toState(),
      };
    }
  }
}

function widthError({ columns, width }: { columns: readonly string[]; width: number }, found: number): FailureError {
  const message = `columns ${shortList(columns)} hold ${found} values a row, the network was trained on ${width}`;
  return new FailureError({ kind: 'user-error', message });
}

function unseenError(target: TargetSpec, unseen: readonly string[]): FailureError {
  const message =
    `the table holds ${unseenText(target as Labels, unseen)}. ` +
    "Leave such rows out with where(), or count them as wrong: evaluate(table, { unseenLabels: 'wrong' })";
  return new FailureError({ kind: 'user-error', message });
}
