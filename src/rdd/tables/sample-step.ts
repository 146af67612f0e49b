import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { keyedRandom } from '../random.js';
import { draws } from '../sampler.js';
import { takeRows } from '../take-rows.js';
import { batches } from './batches.js';

export type SampleParameters = { readonly seed: number } & (
  | { readonly fraction: number; readonly withReplacement: boolean }
  /** Rows whose draw falls into [from, to). */
  | { readonly from: number; readonly to: number }
);

/** Step of `sample` and `randomSplit`: draws the rows that they draw of an RDD of plain rows. */
export async function* transform(
  chunks: Chunks,
  parameters: Json,
  _task: TaskContext,
  { name, partition }: StepContext,
): Chunks {
  const options = parameters as unknown as SampleParameters;
  const random = keyedRandom(options.seed, 'from' in options ? 'randomSplit' : 'sample', partition);
  for await (const batch of batches(chunks, name)) {
    const rows: number[] = [];
    for (let row = 0; row < batch.numRows; row++) {
      if ('from' in options) {
        const draw = random.uniform();
        if (draw >= options.from && draw < options.to) rows.push(row);
      } else
        for (let times = draws(options.fraction, options.withReplacement, random); times > 0; times--) rows.push(row);
    }
    if (rows.length > 0) yield takeRows(batch, rows);
  }
}
