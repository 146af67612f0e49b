import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { labelTexts, listValues, requireFinite, shortList } from './columns.js';
import { addConfusion, argmaxRows, type ConfusionMatrix, confusionMatrix } from './metrics.js';
import { type PredictorSpec, residentPredictor } from './predictor.js';

export interface EvaluateParameters extends PredictorSpec {
  readonly theta: BlockRef;
  readonly label: string;
  readonly unseenLabels: 'error' | 'wrong';
}

export interface PartitionEvaluation {
  /** Confusion counts, row-major, true class by row; labels not seen in training are one more class, the last. */
  readonly counts: readonly number[];
  /** Those labels. */
  readonly unseen: readonly string[];
}

/** Terminal: predicts the partition's rows and counts. */
export async function consume(chunks: Chunks, parameters: Json, context: TaskContext): Promise<Json> {
  const spec = parameters as unknown as EvaluateParameters;
  const { classes, features, label } = spec;
  const numbers = new Map(classes.map((name, k) => [name, k]));
  const unseen = new Set<string>();
  const size = classes.length + 1;
  let confusion: ConfusionMatrix = { classes: size, counts: new Float64Array(size ** 2) };
  let rows = 0;
  for await (const chunk of chunks) {
    if (!isBatch(chunk) || chunk.numRows === 0) continue;
    const predictor = await residentPredictor(spec, context);
    const values = listValues(chunk, features, spec.network.inputs);
    requireFinite(chunk, features, rows);
    const truth = labelTexts(chunk, label, rows).map((text) => {
      const k = numbers.get(text);
      if (k === undefined) unseen.add(text);
      return k ?? classes.length;
    });
    if (unseen.size > 0 && spec.unseenLabels === 'error') throw unseenError(label, [...unseen], classes);
    const outputs = predictor.predict(values, chunk.numRows);
    confusion = addConfusion(confusion, confusionMatrix(truth, argmaxRows(outputs, classes.length), size));
    rows += chunk.numRows;
  }
  return { counts: [...confusion.counts], unseen: [...unseen] };
}

function unseenError(label: string, unseen: readonly string[], classes: readonly string[]): FailureError {
  const message =
    `column "${label}" holds labels that were not seen in training: ${shortList(unseen)} (seen: ${shortList(classes)}). ` +
    "Leave such rows out with where(), or count them as wrong: evaluate(table, { unseenLabels: 'wrong' })";
  return new FailureError({ kind: 'user-error', message });
}
