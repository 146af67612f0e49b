import { FailureError } from '../../protocol/failure.js';
import type { Json } from '../../protocol/json.js';

/** Source of an RDD whose lineage ends at a local checkpoint: asked only for partitions that are kept nowhere any more. */
// biome-ignore lint/correctness/useYield: there is nothing left to read
export async function* read(name: Json, partition: Json): AsyncGenerator<never> {
  const message = `partition ${partition} of ${name} is lost: localCheckpoint kept it on one executor, which is gone or was told to unpersist it; checkpoint() keeps what must survive that`;
  throw new FailureError({ kind: 'user-error', message });
}
