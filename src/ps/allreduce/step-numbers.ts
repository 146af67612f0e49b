import { addTotals, type StepTotal } from '../exchange.js';
import { reduceNodes, type ValueNode } from '../tree.js';

/** level, index, rows, weight, lossSum. */
const FIELDS = 5;

/**
 * Rows, weights and losses of a step, by node: they travel unmerged, as metadata, so that every member adds the same
 * numbers along the canonical tree, whatever way the vectors go.
 */
export class StepNumbers {
  readonly #nodes = new Map<string, ValueNode<StepTotal>>();

  constructor(own: readonly ValueNode<StepTotal>[]) {
    for (const { level, index, value } of own) {
      const { rows, weight, lossSum } = value;
      this.#add({ level, index, value: { rows, weight, lossSum } });
    }
  }

  encode(): Uint8Array {
    const numbers = new Float64Array(FIELDS * this.#nodes.size);
    let at = 0;
    for (const { level, index, value } of this.#nodes.values()) {
      numbers.set([level, index, value.rows, value.weight, value.lossSum], at);
      at += FIELDS;
    }
    return new Uint8Array(numbers.buffer);
  }

  /** Takes note of what another member knows. */
  merge(meta: Uint8Array): void {
    const numbers = new Float64Array(meta.slice().buffer);
    for (let at = 0; at < numbers.length; at += FIELDS) {
      const [level, index, rows, weight, lossSum] = numbers.subarray(at, at + FIELDS);
      this.#add({ level: level!, index: index!, value: { rows: rows!, weight: weight!, lossSum: lossSum! } });
    }
  }

  /** @param shards gradient shards of all members */
  total(shards: number): StepTotal {
    return reduceNodes([...this.#nodes.values()], shards, addTotals) ?? { rows: 0, weight: 0, lossSum: 0 };
  }

  #add(node: ValueNode<StepTotal>): void {
    this.#nodes.set(`${node.level}:${node.index}`, node);
  }
}
