import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { StepContext } from '../rdd/assemble-step.js';
import type { Chunks } from '../rdd/chunks.js';
import { batches } from '../rdd/tables/batches.js';
import { listValues, requireFinite } from './columns.js';
import { addPredictions, type OutputSpec, type PredictionColumns } from './predictions.js';
import { type PredictorSpec, residentPredictor } from './predictor.js';

export interface PredictParameters extends PredictorSpec, OutputSpec {
  readonly features: string;
  readonly columns: PredictionColumns;
}

/** Step that adds columns of predictions: the network is resident in the slot. */
export async function* transform(chunks: Chunks, parameters: Json, task: TaskContext, { name }: StepContext): Chunks {
  const spec = parameters as unknown as PredictParameters;
  let rows = 0;
  for await (const batch of batches(chunks, name)) {
    const network = await residentPredictor(spec, task);
    const values = listValues(batch, spec.features, spec.network.inputs, rows);
    requireFinite(batch, spec.features, rows);
    rows += batch.numRows;
    yield addPredictions(batch, network.predict(values, batch.numRows), spec, spec.columns);
  }
}
