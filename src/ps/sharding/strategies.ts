import { createHash } from 'node:crypto';
import type { Range } from '../optimizer/range-optimizer.js';
import { CHUNK, slices } from '../slices.js';
import { joined, type PlacedRange } from './placement.js';

/** How theta is cut among servers, with what may be set; a name alone stands for its defaults. */
export type ShardingSpec =
  /** One contiguous range a server, as equal as whole chunks of 4096 elements allow. The default. */
  | { readonly kind: 'even' }
  /** Layer i to server i mod S. */
  | { readonly kind: 'round-robin' }
  /** Each layer whole to the server with the fewest elements so far; `sorted`: the largest first (LPT, Graham 1969). */
  | { readonly kind: 'greedy'; readonly sorted?: boolean }
  /** Layers below `bound` elements (default 1,000,000) whole, to server 9973·i mod S; others evenly over all (MXNet's kvstore). */
  | { readonly kind: 'split-large'; readonly bound?: number }
  /** Layers cut into chunks of `bytes` (default 4,096,000), hashed to servers (BytePS; Jiang et al., OSDI 2020). */
  | { readonly kind: 'chunks'; readonly bytes?: number }
  /** Contiguous ranges between points of a consistent-hash ring, `virtual` (default 64) points a server (Li et al., OSDI 2014). */
  | { readonly kind: 'ring'; readonly virtual?: number };

export type Sharding = ShardingSpec['kind'] | ShardingSpec;

/**
 * Cuts theta among servers: pure, the same everywhere. Whole-layer strategies are no faster than all elements over those
 * of the largest layer, however many servers there are (Choi, Ko, Kim 2020): `placementReport` shows that bound.
 *
 * @param layers ascending, without gaps, from 0: each holds a layer's kernel and bias
 * @throws RangeError when the number of servers, or a setting, is not a positive integer
 * @example
 * placeShards('even', [{ from: 0, to: 10_000 }], 2)
 * // [{ from: 0, to: 4096, server: 0 }, { from: 4096, to: 10_000, server: 1 }]
 */
export function placeShards(sharding: Sharding, layers: readonly Range[], servers: number): PlacedRange[] {
  const spec = typeof sharding === 'string' ? ({ kind: sharding } as ShardingSpec) : sharding;
  positive('the number of servers', servers);
  const length = layers.at(-1)?.to ?? 0;
  switch (spec.kind) {
    case 'even':
      return joined(slices(length, servers).map((range, server) => ({ ...range, server })));
    case 'round-robin':
      return joined(layers.map((layer, i) => ({ ...layer, server: i % servers })));
    case 'greedy':
      return greedy(layers, servers, spec.sorted ?? false);
    case 'split-large':
      return splitLarge(layers, servers, positive('bound', spec.bound ?? 1_000_000));
    case 'chunks':
      return hashedChunks(layers, servers, positive('bytes', spec.bytes ?? 4_096_000));
    case 'ring':
      return ring(length, servers, positive('virtual', spec.virtual ?? 64));
  }
}

function greedy(layers: readonly Range[], servers: number, sorted: boolean): PlacedRange[] {
  const loads = Array.from({ length: servers }, () => 0);
  const size = (layer: Range) => layer.to - layer.from;
  const order = sorted ? [...layers].sort((a, b) => size(b) - size(a) || a.from - b.from) : layers;
  const placed = order.map((layer) => {
    const server = loads.indexOf(Math.min(...loads));
    loads[server]! += size(layer);
    return { ...layer, server };
  });
  return joined(placed.sort((a, b) => a.from - b.from));
}

/** As `EncodeDefaultKey` of MXNet's kvstore_dist.h. */
function splitLarge(layers: readonly Range[], servers: number, bound: number): PlacedRange[] {
  const placed = layers.flatMap(({ from, to }, i): PlacedRange[] => {
    if (to - from < bound) return [{ from, to, server: (i * 9973) % servers }];
    const cut = (server: number) => from + Math.round(((to - from) / servers) * server);
    return times(servers, (server) => ({ from: cut(server), to: cut(server + 1), server }));
  });
  return joined(placed);
}

/** With the naive hash of BytePS' global.cc over (layer, part), which deals the parts of a layer round. */
function hashedChunks(layers: readonly Range[], servers: number, bytes: number): PlacedRange[] {
  const size = Math.max(Math.floor(bytes / 4), 1);
  const placed = layers.flatMap(({ from, to }, layer) =>
    times(Math.ceil((to - from) / size), (part) => ({
      from: from + part * size,
      to: Math.min(from + (part + 1) * size, to),
      server: ((layer + part) * 9973) % servers,
    })),
  );
  return joined(placed);
}

/**
 * The ring is theta itself, counted in chunks: a virtual server owns what lies from its point to the next. A server that
 * joins takes ranges from the others, one that leaves gives them up: nothing else moves.
 */
function ring(length: number, servers: number, virtual: number): PlacedRange[] {
  const chunks = Math.ceil(length / CHUNK);
  const points = times(servers, (server) => times(virtual, (v) => ({ at: hash(`${server}/${v}`) * chunks, server })))
    .flat()
    .sort((a, b) => a.at - b.at)
    .map(({ at, server }) => ({ at: Math.floor(at), server })); // of points in one chunk the last one has it
  const placed = points.map(({ at, server }, i) => ({
    from: Math.min(at * CHUNK, length),
    to: Math.min((points[i + 1]?.at ?? chunks) * CHUNK, length),
    server,
  }));
  const first = placed[0]?.from ?? 0;
  return joined([{ from: 0, to: first, server: points.at(-1)!.server }, ...placed]);
}

/** In [0, 1). */
function hash(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function positive(what: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${what} must be a positive integer, got ${value}`);
  return value;
}
