import type { Mesh } from '../mesh/mesh.js';
import type { Range, RangeOptimizer } from '../optimizer/range-optimizer.js';

/**
 * Gives every owner the chunks' sums of squares of all owners, in the order of chunks: what a global norm is added up from
 * (`clipScale`). 8 bytes for every 16 KiB of gradients; they travel as metadata and are not counted as payload.
 *
 * @param own this member's chunk sums (`RangeOptimizer.norms`)
 * @param owned ranges of all members, by rank
 */
export async function allNorms(mesh: Mesh, tag: number, own: Float64Array, owned: readonly Range[]): Promise<number[]> {
  const { rank } = mesh;
  const ranks = owned.map((_, rank) => rank).filter((rank) => owned[rank]!.to > owned[rank]!.from);
  const meta = new Uint8Array(own.slice().buffer);
  const sends = owned.map((_, to) => (to !== rank && ranks.includes(rank) ? mesh.send(to, tag, meta, []) : undefined));
  const [sums] = await Promise.all([
    Promise.all(
      ranks.map(async (from) => {
        if (from === rank) return own;
        const { meta } = await mesh.receive(from, tag, () => new Uint8Array(0));
        return new Float64Array(meta.slice().buffer);
      }),
    ),
    ...sends,
  ]);
  const ascending = ranks
    .map((rank, k) => ({ from: owned[rank]!.from, sums: sums[k]! }))
    .sort((a, b) => a.from - b.from);
  return ascending.flatMap(({ sums }) => [...sums]);
}

/** Of the chunks of all of theta's gradient, where clipping or whoever measures asks for them; else none. */
export async function askedNorms(
  { mesh, optimizer, measure, plan }: NormsSetting,
  sum: Float32Array | undefined,
  tag: number,
): Promise<number[]> {
  if (!measure && optimizer.spec.clipNorm === undefined) return [];
  return allNorms(mesh, tag, sum ? optimizer.norms(sum) : new Float64Array(0), plan.owned);
}

interface NormsSetting {
  readonly mesh: Mesh;
  readonly optimizer: RangeOptimizer;
  readonly measure?: boolean;
  readonly plan: { readonly owned: readonly Range[] };
}
