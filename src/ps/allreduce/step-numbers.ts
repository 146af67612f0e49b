import { addTotals, fromNumbers, NUMBERS, numbersOf, type StepTotal, totalOf } from '../exchange.js';
import { reduceNodes, type ValueNode } from '../tree.js';

/**
 * Rows, weights and losses of a step, by node: they travel unmerged, as metadata, so that every member adds the same
 * numbers along the canonical tree, whatever way the vectors go.
 */
export class StepNumbers {
  readonly #nodes = new Map<string, ValueNode<StepTotal>>();

  constructor(own: readonly ValueNode<StepTotal>[]) {
    for (const { level, index, value } of own) this.#add({ level, index, value: totalOf(value) });
  }

  encode(): Uint8Array {
    const numbers = Float64Array.from([...this.#nodes.values()].flatMap(numbersOf));
    return new Uint8Array(numbers.buffer);
  }

  /** Takes note of what another member knows. */
  merge(meta: Uint8Array): void {
    const numbers = new Float64Array(meta.slice().buffer);
    for (let at = 0; at < numbers.length; at += NUMBERS) this.#add(fromNumbers(numbers.subarray(at, at + NUMBERS)));
  }

  /** @param shards gradient shards of all members */
  total(shards: number): StepTotal {
    return reduceNodes([...this.#nodes.values()], shards, addTotals) ?? { rows: 0, weight: 0, lossSum: 0 };
  }

  #add(node: ValueNode<StepTotal>): void {
    this.#nodes.set(`${node.level}:${node.index}`, node);
  }
}
