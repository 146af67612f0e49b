import { Bf16Codec } from './bf16.js';
import { ThresholdCodec, TopKCodec } from './sparse.js';
import type { WireCodec } from './wire-codec.js';

/**
 * How sums travel: as they are; rounded to bfloat16; only the largest `share` of the values (Stich et al. 2018); only values
 * of at least `threshold` in magnitude (Strom 2015). What the last two leave out is sent later (error feedback).
 */
export type Wire =
  | 'float32'
  | 'bf16'
  | { readonly kind: 'top-k'; readonly share: number }
  | { readonly kind: 'threshold'; readonly threshold: number };

export function isWire(value: unknown): value is Wire {
  if (value === 'float32' || value === 'bf16') return true;
  const { kind, share, threshold } = (value ?? {}) as { kind?: unknown; share?: unknown; threshold?: unknown };
  if (kind === 'top-k') return typeof share === 'number' && share > 0 && share <= 1;
  return kind === 'threshold' && typeof threshold === 'number' && threshold > 0 && Number.isFinite(threshold);
}

/** Whether a member keeps what it did not send, to send it later. */
export function isSparse(wire: Wire): boolean {
  return typeof wire === 'object';
}

/** @returns undefined for float32, which needs no coding */
export function codecOf(wire: Wire, length: number): WireCodec | undefined {
  if (wire === 'float32') return undefined;
  if (wire === 'bf16') return new Bf16Codec();
  if (wire.kind === 'top-k') return new TopKCodec(wire.share, length);
  return new ThresholdCodec(wire.threshold, length);
}
