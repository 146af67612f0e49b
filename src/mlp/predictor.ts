import type { BlockRef } from '../protocol/block.js';
import type { SlotContext } from '../protocol/program.js';
import type { CompiledNetwork } from './backend.js';
import { type BackendPreference, loadBackend } from './backends.js';
import { floats } from './float-bytes.js';
import type { Network } from './network.js';

export interface PredictorSpec {
  readonly network: Network;
  readonly backend: BackendPreference;
  readonly classes: readonly string[];
  readonly features: string;
  readonly theta: BlockRef;
}

/** The slot's copy of a fitted network, made when it is first used. */
export async function residentPredictor(spec: PredictorSpec, slot: SlotContext): Promise<CompiledNetwork> {
  const id = `predictor:${spec.theta.id}`;
  const kept = slot.residents.get<CompiledNetwork>(id);
  if (kept) return kept;
  const backend = await loadBackend(spec.backend);
  const network = await backend.compile(spec.network, { kind: 'sgd', learningRate: 0 });
  network.setTheta(floats(await slot.blocks.get(spec.theta)));
  return slot.residents.set(id, spec.theta.scope, network, () => network.dispose());
}
