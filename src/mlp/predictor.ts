import type { SlotContext } from '../protocol/program.js';
import type { CompiledNetwork } from './backend.js';
import { type BackendPreference, loadBackend } from './backends.js';
import { type CommittedPart, readParts } from './committed.js';
import { layoutOf } from './layout.js';
import type { Network } from './network.js';

/** A fitted network as slots are told of it. */
export interface PredictorSpec {
  readonly network: Network;
  readonly backend: BackendPreference;
  /** Where its weights lie. */
  readonly theta: readonly CommittedPart[];
  /** Names the copy in a slot. */
  readonly id: string;
  /** Owns that copy. */
  readonly scope: string;
}

/** The slot's copy of a fitted network, made when it is first used. */
export async function residentPredictor(spec: PredictorSpec, slot: SlotContext): Promise<CompiledNetwork> {
  const id = `predictor:${spec.id}`;
  const kept = slot.residents.get<CompiledNetwork>(id);
  if (kept) return kept;
  const backend = await loadBackend(spec.backend);
  const network = await backend.compile(spec.network, { kind: 'sgd', learningRate: 0 });
  const theta = new Float32Array(layoutOf(spec.network).length);
  await readParts(spec.theta, slot.blocks, theta);
  network.setTheta(theta);
  return slot.residents.set(id, spec.scope, network, () => network.dispose());
}
