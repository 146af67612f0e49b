import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { labelIndices, listValues } from './columns.js';
import { addConfusion, argmaxRows, type ConfusionMatrix, confusionMatrix } from './metrics.js';
import { type PredictorSpec, residentPredictor } from './predictor.js';

export interface EvaluateParameters extends PredictorSpec {
  readonly theta: BlockRef;
  readonly label: string;
}

/** Terminal: the partition's confusion counts, row-major, true class by row. */
export async function consume(chunks: Chunks, parameters: Json, context: TaskContext): Promise<Json> {
  const spec = parameters as unknown as EvaluateParameters;
  const { classes, features, label } = spec;
  let confusion: ConfusionMatrix = { classes: classes.length, counts: new Float64Array(classes.length ** 2) };
  for await (const chunk of chunks) {
    if (!isBatch(chunk) || chunk.numRows === 0) continue;
    const predictor = await residentPredictor(spec, context);
    const truth = labelIndices([chunk], label, classes);
    const outputs = predictor.predict(listValues(chunk, features, spec.network.inputs), chunk.numRows);
    confusion = addConfusion(confusion, confusionMatrix(truth, argmaxRows(outputs, classes.length), classes.length));
  }
  return [...confusion.counts];
}
