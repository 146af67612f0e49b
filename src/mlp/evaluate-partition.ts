import type { RecordBatch } from 'apache-arrow';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { packPayload } from '../rdd/payload.js';
import { labelTexts, listValues, requireFinite, shortList } from './columns.js';
import { ClassificationScores, type ClassificationState } from './metrics/classification.js';
import { ManyLabelScores, type ManyLabelState } from './metrics/many-label.js';
import { RegressionErrors, type RegressionSums } from './metrics/regression.js';
import { classProbabilities, unscaled } from './predictions.js';
import { type PredictorSpec, residentPredictor } from './predictor.js';
import { labelMatrix, type TargetSpec, valueMatrix } from './targets.js';

export interface EvaluateParameters extends PredictorSpec {
  readonly features: string;
  readonly target: TargetSpec;
  readonly unseenLabels: 'error' | 'wrong';
  /** Of classifiers: whether areas under curves are wanted. */
  readonly ranking: boolean;
  /** Of classifiers of many labels. */
  readonly threshold: number;
}

export type ScoreState = ClassificationState | ManyLabelState | RegressionSums;

/** Encoded, in a `Payload`: a matrix of all counts would not fit a message from some thousand classes on. */
export interface PartitionEvaluation<S extends ScoreState = ScoreState> {
  readonly state: S;
  /** Labels that were not seen in training. */
  readonly unseen: readonly string[];
}

/** What is right and wrong in a partition, added up batch by batch. */
interface Scores {
  /** @param outputs of the network @param before rows of the partition before this batch @returns labels not seen in training */
  add(batch: RecordBatch, outputs: Float32Array, before: number): readonly string[];
  toState(): ScoreState;
}

/** Terminal: predicts the partition's rows and scores them. */
export async function consume(
  chunks: Chunks,
  parameters: Json,
  context: TaskContext,
  partition: number,
): Promise<Json> {
  const spec = parameters as unknown as EvaluateParameters;
  const { features, network } = spec;
  const scores = scoresOf(spec);
  const unseen = new Set<string>();
  let rows = 0;
  for await (const chunk of chunks) {
    if (!isBatch(chunk) || chunk.numRows === 0) continue;
    const predictor = await residentPredictor(spec, context);
    const values = listValues(chunk, features, network.inputs);
    requireFinite(chunk, features, rows);
    for (const label of scores.add(chunk, predictor.predict(values, chunk.numRows), rows)) unseen.add(label);
    if (unseen.size > 0 && spec.unseenLabels === 'error') throw unseenError(spec.target, [...unseen]);
    rows += chunk.numRows;
  }
  const result: PartitionEvaluation = { state: scores.toState(), unseen: [...unseen] };
  return packPayload(result, `${spec.id}:${partition}`, spec.scope, context);
}

function scoresOf({ target, ranking, threshold }: EvaluateParameters): Scores {
  switch (target.kind) {
    case 'class': {
      const numbers = new Map(target.classes.map((name, k) => [name, k]));
      const scores = new ClassificationScores(target.classes.length, ranking);
      return {
        add(batch, outputs, before) {
          const texts = labelTexts(batch, target.column, before);
          const truth = texts.map((text) => numbers.get(text) ?? target.classes.length);
          scores.add(truth, classProbabilities(outputs, { target }, batch.numRows));
          return texts.filter((_, row) => truth[row] === target.classes.length);
        },
        toState: () => scores.toState(),
      };
    }
    case 'labels': {
      const scores = new ManyLabelScores(target.classes.length, threshold, ranking);
      return {
        add(batch, outputs, before) {
          const { truth, unknown } = labelMatrix(batch, target, before);
          scores.add(truth, outputs, (row) => unknown.has(row));
          return [...unknown.values()].flat();
        },
        toState: () => scores.toState(),
      };
    }
    case 'values': {
      const errors = new RegressionErrors(target.width);
      return {
        add(batch, outputs, before) {
          const truth = valueMatrix(batch, target.columns, before);
          if (truth.length !== outputs.length) throw widthError(target, truth.length / batch.numRows);
          errors.add(truth, unscaled(outputs, target));
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
  const { column, classes } = target as Extract<TargetSpec, { column: string }>;
  const message =
    `column "${column}" holds labels that were not seen in training: ${shortList(unseen)} (seen: ${shortList(classes)}). ` +
    "Leave such rows out with where(), or count them as wrong: evaluate(table, { unseenLabels: 'wrong' })";
  return new FailureError({ kind: 'user-error', message });
}
