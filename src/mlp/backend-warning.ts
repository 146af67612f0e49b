import type { SheafContext } from '../rdd/context.js';
import type { ComputeBackend } from './backend.js';

/** Why a slot computes more slowly than it might: JSON, on the way to the driver. */
export type Shortcomings = Pick<ComputeBackend, 'fallback' | 'shortfall'>;

export function shortcomingsOf({ fallback, shortfall }: ComputeBackend): Shortcomings {
  return { ...(fallback && { fallback }), ...(shortfall && { shortfall }) };
}

/** Applications that have been told. */
const warned = new WeakSet<SheafContext>();

/** Says once in an application what its slots lack. */
export function warnOfShortcomings(context: SheafContext, slots: readonly Shortcomings[]): void {
  if (warned.has(context)) return;
  const message = warningOf(slots, context.conf.get('sheaf.backend') === 'auto');
  if (!message) return;
  warned.add(context);
  context.bus.emit({ event: 'warning', message });
}

/** @param auto whether nobody asked for WebAssembly */
export function warningOf(slots: readonly Shortcomings[], auto: boolean): string | undefined {
  const fallback = auto && slots.find((slot) => slot.fallback)?.fallback;
  if (fallback) return `${fallback}. Until then networks compute on WebAssembly, several times slower`;
  const shortfall = slots.find((slot) => slot.shortfall)?.shortfall;
  return shortfall && `GPU slots compute on the CPU: ${shortfall}`;
}
