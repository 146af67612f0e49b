import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { packPayload } from '../rdd/payload.js';
import { labelTexts, listValues, requireFinite, shortList } from './columns.js';
import { argmaxRows } from './metrics/confusion.js';
import { type PredictorSpec, residentPredictor } from './predictor.js';

export interface EvaluateParameters extends PredictorSpec {
  readonly theta: BlockRef;
  readonly label: string;
  readonly unseenLabels: 'error' | 'wrong';
}

/** As JSON in a `Payload`: a matrix of all counts would not fit a message from some thousand classes on. */
export interface PartitionEvaluation {
  /**
   * Confusion counts that are not 0, as [cell, count]: cell `true * size + predicted` of `size = classes + 1`; labels not
   * seen in training are that one class more, the last.
   */
  readonly cells: readonly (readonly [cell: number, count: number])[];
  /** Those labels. */
  readonly unseen: readonly string[];
}

/** Terminal: predicts the partition's rows and counts. */
export async function consume(
  chunks: Chunks,
  parameters: Json,
  context: TaskContext,
  partition: number,
): Promise<Json> {
  const spec = parameters as unknown as EvaluateParameters;
  const { classes, features, label } = spec;
  const numbers = new Map(classes.map((name, k) => [name, k]));
  const unseen = new Set<string>();
  const size = classes.length + 1;
  const cells = new Map<number, number>();
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
    for (const [row, predicted] of argmaxRows(outputs, classes.length).entries()) {
      const cell = truth[row]! * size + predicted;
      cells.set(cell, (cells.get(cell) ?? 0) + 1);
    }
    rows += chunk.numRows;
  }
  const result: PartitionEvaluation = { cells: [...cells], unseen: [...unseen] };
  const id = `${spec.theta.id}:${partition}`;
  return packPayload(Buffer.from(JSON.stringify(result)), id, spec.theta.scope, context);
}

function unseenError(label: string, unseen: readonly string[], classes: readonly string[]): FailureError {
  const message =
    `column "${label}" holds labels that were not seen in training: ${shortList(unseen)} (seen: ${shortList(classes)}). ` +
    "Leave such rows out with where(), or count them as wrong: evaluate(table, { unseenLabels: 'wrong' })";
  return new FailureError({ kind: 'user-error', message });
}
