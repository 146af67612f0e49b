import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../../rdd/assemble-step.js';
import type { Chunks } from '../../rdd/chunks.js';
import { operatorFailure } from '../../rdd/operator-failure.js';
import { batches } from '../../rdd/tables/batches.js';
import type { BatchStage, StageJson } from './stage.js';
import { batchStageFromJSON } from './stages.js';

/** Step of every `BatchStage`. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  const stage: BatchStage = batchStageFromJSON(parameters as unknown as StageJson);
  for await (const batch of batches(chunks, name)) {
    try {
      yield stage.transformBatch(batch);
    } catch (error) {
      throw operatorFailure(error, name);
    }
  }
}
