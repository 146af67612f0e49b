import { DEFAULT_MEMORY } from '../ps/optimizer/lbfgs.js';
import { optimizerSlots } from '../ps/optimizer/optimizer.js';
import type { UpdateSpec } from '../ps/optimizer/update-spec.js';
import { layoutOf } from './layout.js';
import type { Network } from './network.js';
import type { LocalPlan } from './numerical-plan.js';

/** What of a training decides how much memory it takes. */
export interface MemoryPlan {
  readonly network: Network;
  readonly update: UpdateSpec;
  readonly shards: number;
  /** Of a step. */
  readonly rows: number;
  readonly local?: LocalPlan;
}

/** A vector of all weights is addressed by 31 bits, in graphs and in files. */
export const MAX_WEIGHTS = 2 ** 31 - 1;

const FLOAT = 4;

/**
 * Bytes that a training on so many slots of one machine takes at least, by what they are for, the driver's copy of the outcome among
 * them. Pure. Rows, states kept in files and what a backend takes beside are not counted.
 */
export function memoryNeeded(plan: MemoryPlan, slots: number): Readonly<Record<string, number>> {
  const { network, update, shards, rows, local } = plan;
  const vector = FLOAT * layoutOf(network).length;
  const members = Math.min(slots, shards);
  const { optimizer } = update;
  const kept = optimizerSlots(optimizer).length;
  const search = optimizer.kind === 'l-bfgs' ? 2 * (optimizer.memory ?? DEFAULT_MEMORY) * members : 0;
  const units = network.hidden.reduce((sum, layer) => sum + ('units' in layer ? layer.units : 0), network.outputs);
  return {
    weights: 2 * vector, // one among the slots, one for the model
    gradients: members * vector,
    [optimizer.kind]: (kept + search) * vector,
    "shards' own weights": local?.kind === 'elastic' ? shards * (1 + kept) * vector : 0,
    // Values and their derivatives, of one shard at a time.
    "layers' values": 2 * FLOAT * members * Math.ceil(rows / shards) * units,
  };
}

/**
 * Before any work.
 * @param slots of this machine @param machineBytes its memory
 * @throws RangeError saying what takes how much, and what to do
 */
export function requireMemory(owner: string, plan: MemoryPlan, slots: number, machineBytes: number): void {
  const parts = Object.entries(memoryNeeded(plan, slots)).filter(([, bytes]) => bytes > 0);
  const total = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  if (total <= machineBytes) return;
  const list = parts.map(([name, bytes]) => `${name} ${inUnits(bytes)}`).join(', ');
  throw new RangeError(
    `${owner}: ${described(plan.network)}; to train it on ${slots} slots takes at least ${inUnits(total)} (${list}), and this machine ` +
      `has ${inUnits(machineBytes)}. Make hidden layers smaller, or take fewer slots, a smaller batchSize, or an optimizer that keeps ` +
      "less ('sgd' keeps nothing)",
  );
}

/** @throws RangeError for more weights than one vector holds */
export function requireAddressable(network: Network): void {
  const { length } = layoutOf(network);
  if (length <= MAX_WEIGHTS) return;
  throw new RangeError(
    `${described(network)}, ${inUnits(FLOAT * length)}; networks have at most ${MAX_WEIGHTS.toLocaleString('en')}. Make hidden layers smaller`,
  );
}

/** With the largest part named: it is what to make smaller. */
function described(network: Network): string {
  const { length, parameters } = layoutOf(network);
  const largest = parameters.reduce((most, each) => (each.size > most.size ? each : most));
  const [inputs, units] = largest.shape;
  const where = units === undefined ? largest.name : `${largest.name}, ${inputs} x ${units}`;
  return `the network has ${length.toLocaleString('en')} weights (${where}: ${largest.size.toLocaleString('en')})`;
}

function inUnits(bytes: number): string {
  const [value, unit] = bytes < 1e9 ? [bytes / 1e6, 'MB'] : [bytes / 1e9, 'GB'];
  return `${value < 10 ? value.toPrecision(2) : Math.round(value)} ${unit}`;
}
