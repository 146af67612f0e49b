import type { Json } from '../protocol/json.js';
import { bytesOf } from '../ps/float-bytes.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { backendRequest } from './backends.js';
import type { CommittedPart } from './committed.js';
import type { EvaluateParameters, PartitionEvaluation, ScoreState } from './evaluate-partition.js';

/** What is to be judged, and how. */
export type EvaluateRequest = Omit<EvaluateParameters, 'id' | 'scope' | 'backend' | 'theta'> & {
  /** The weights, or where they lie. */
  readonly theta: Float32Array | readonly CommittedPart[];
};

let evaluations = 0;

/** Predicts every row of a table on the executors; what each partition adds up. @param name for events and errors */
export async function evaluateParts<S extends ScoreState>(
  table: ArrowRDD,
  request: EvaluateRequest,
  name: string,
): Promise<PartitionEvaluation<S>[]> {
  const { context } = table;
  // Several evaluations may run at once: each has a scope, and so a copy in the slots, of its own.
  const id = `theta-${evaluations++}`;
  const scope = `${context.app}/${id}`;
  try {
    const theta =
      request.theta instanceof Float32Array ? [await putTheta(context, request.theta, id, scope)] : request.theta;
    const backend = backendRequest(context.conf);
    const parameters: EvaluateParameters = { ...request, theta, id, scope, backend };
    const terminal = {
      kind: 'module',
      module: 'mlp/evaluate-partition',
      parameters: parameters as unknown as Json,
    } as const;
    return await context.runJob({ top: table.node, terminal, name, device: backend.device }, (answer) =>
      context.readValue<PartitionEvaluation<S>>(answer),
    );
  } finally {
    context.dag.release(scope);
  }
}

/** All weights as one block. */
export async function putTheta(
  context: SheafContext,
  theta: Float32Array,
  id: string,
  scope: string,
): Promise<CommittedPart> {
  return { from: 0, to: theta.length, block: await context.blocks.put(id, scope, bytesOf(theta)) };
}
