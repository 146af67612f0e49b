import { type OptimizerSpec, optimizerSlots } from '../ps/optimizer/optimizer.js';
import { RangeOptimizer } from '../ps/optimizer/range-optimizer.js';

/** Slots of theta's length that an optimizer keeps. */
export function slotCount(optimizer: OptimizerSpec): number {
  return optimizerSlots(optimizer).length;
}

/**
 * One step in place by the optimizer's rule alone. `state` is theta followed by the slots.
 *
 * @param gradient the mean gradient, of theta's length
 * @param step counts from 1
 */
export function applyStep(optimizer: OptimizerSpec, state: Float32Array, gradient: Float32Array, step: number): void {
  const { length } = gradient;
  const parts = Array.from({ length: 1 + slotCount(optimizer) }, (_, k) =>
    state.subarray(k * length, (k + 1) * length),
  );
  const owner = new RangeOptimizer({ optimizer }, [{ from: 0, to: length, kind: 'bias' }], { from: 0, to: length });
  owner.slots.forEach((slot, k) => {
    slot.set(parts[k + 1]!);
  });
  owner.update(parts[0]!, gradient.slice(), 1, step);
  owner.slots.forEach((slot, k) => {
    parts[k + 1]!.set(slot);
  });
}
