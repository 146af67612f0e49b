/**
 * How far members may be apart.
 * - `sync` (BSP): one update a step, when all members have pushed; the bits of the canonical tree.
 * - `{ staleness: t }` (SSP; Ho et al., NIPS 2013): every push is an update when it arrives; no member begins a step more
 *   than t steps after one that the slowest has not finished. Staleness 0 is `sync`.
 * - `async`: every push is an update when it arrives, nobody waits.
 */
export type Consistency = 'sync' | 'async' | { readonly staleness: number };

/** How many steps a member may be ahead of the slowest; 0 means one update for all. */
export function maxLead(consistency: Consistency): number {
  if (consistency === 'sync') return 0;
  return consistency === 'async' ? Number.POSITIVE_INFINITY : consistency.staleness;
}

export function isSync(consistency: Consistency): boolean {
  return maxLead(consistency) === 0;
}

export function isConsistency(value: unknown): value is Consistency {
  if (value === 'sync' || value === 'async') return true;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'staleness') return false;
  const { staleness } = value as { staleness: unknown };
  return Number.isSafeInteger(staleness) && (staleness as number) >= 0;
}
