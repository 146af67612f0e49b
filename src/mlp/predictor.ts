import type { SlotContext } from '../protocol/program.js';
import { alignedFloats } from '../ps/float-bytes.js';
import { type BackendChoice, loadBackend } from './backends.js';
import { type CommittedPart, readParts } from './committed.js';
import { layoutOf } from './layout.js';
import type { Network } from './network.js';

/** A fitted network as slots are told of it. */
export interface PredictorSpec {
  readonly network: Network;
  readonly backend: BackendChoice;
  /** Where its weights lie. */
  readonly theta: readonly CommittedPart[];
  /** Names the copy in a slot. */
  readonly id: string;
  /** Owns that copy. */
  readonly scope: string;
}

/** A fitted network, ready to compute. */
export interface Predictor {
  /** Network outputs, rows x outputs. @param features row-major, rows x inputs */
  predict(features: Float32Array, rows: number): Float32Array;
}

/** Whether this process has said that it computes on its CPU. */
let told = false;

/** The slot's copy of a fitted network, made when it is first used. */
export async function residentPredictor(spec: PredictorSpec, slot: SlotContext): Promise<Predictor> {
  const id = `predictor:${spec.id}`;
  const kept = slot.residents.get<Predictor>(id);
  if (kept) return kept;
  const backend = await loadBackend(spec.backend);
  if (backend.shortfall && !told) console.warn(`warning: this GPU slot predicts on its CPU: ${backend.shortfall}`);
  told = true;
  const network = await backend.compile(spec.network);
  const theta = alignedFloats(layoutOf(spec.network).length);
  await readParts(spec.theta, slot.blocks, theta);
  const predictor: Predictor = { predict: (features, rows) => network.predict(theta, features, rows) };
  return slot.residents.set(id, spec.scope, predictor, () => network.dispose());
}
