import type { Range } from '../optimizer/range-optimizer.js';

/** A contiguous range of theta and the server (0 … S-1) that owns it. */
export interface PlacedRange extends Range {
  readonly server: number;
}

/** Which server owns which elements of theta: ascending, without gaps or empty ranges, covering theta. */
export type Placement = readonly PlacedRange[];

/** How evenly a placement spreads theta. */
export interface PlacementReport {
  /** Bytes of theta (float32) that each server owns. */
  readonly bytes: readonly number[];
  /** Bytes of the fullest server over the mean: 1 is even. A step waits for the fullest. */
  readonly maxOverMean: number;
  /** How much faster than one server the transfer and the updates of a step can be at most: all bytes over the fullest's. */
  readonly speedUpBound: number;
}

/** @example placementReport([{ from: 0, to: 3, server: 0 }, { from: 3, to: 4, server: 1 }], 2).speedUpBound // 4 / 3 */
export function placementReport(placement: Placement, servers: number): PlacementReport {
  const bytes = Array.from({ length: servers }, () => 0);
  for (const { from, to, server } of placement) bytes[server]! += (to - from) * 4;
  const total = bytes.reduce((sum, each) => sum + each, 0);
  const max = Math.max(...bytes);
  return { bytes, maxOverMean: (max * servers) / total, speedUpBound: total / max };
}

/** More servers than this are told by the least and the most that one has. */
const NAMED_SERVERS = 8;

/**
 * For a log: what each server owns, and how far that is from even. Pure.
 * @example placementText({ bytes: [40_000_000, 8_000_000], maxOverMean: 5 / 3, speedUpBound: 1.2 })
 * // '40.0, 8.0 MB of weights a server, the fullest 1.67 times the mean: at most 1.20 times faster than one'
 */
export function placementText({ bytes, maxOverMean, speedUpBound }: PlacementReport): string {
  const [unit, size] = Math.max(...bytes) < 1e6 ? (['kB', 1e3] as const) : (['MB', 1e6] as const);
  const text = (each: number) => (each / size).toFixed(1);
  if (bytes.length === 1) return `${text(bytes[0]!)} ${unit} of weights`;
  const few = bytes.length <= NAMED_SERVERS;
  const sizes = few ? bytes.map(text).join(', ') : `${text(Math.min(...bytes))} to ${text(Math.max(...bytes))}`;
  const [over, bound] = [maxOverMean.toFixed(2), speedUpBound.toFixed(2)];
  return `${sizes} ${unit} of weights a server, the fullest ${over} times the mean: at most ${bound} times faster than one`;
}

/**
 * Moves every cut to the nearest multiple of `chunk` elements. Global norms are added chunk by chunk, in order: with whole
 * chunks on every server they have the same bits however theta is placed. A server so gains or loses less than half a
 * chunk at each of its ends (with 4096 elements: 8 KiB).
 */
export function alignCuts(placement: Placement, chunk: number): PlacedRange[] {
  const length = placement.at(-1)?.to ?? 0;
  const aligned = (cut: number) => (cut === length ? cut : Math.min(Math.round(cut / chunk) * chunk, length));
  return joined(placement.map(({ from, to, server }) => ({ from: aligned(from), to: aligned(to), server })));
}

/** Without empty ranges, and with neighbours of one server made one. */
export function joined(ranges: readonly PlacedRange[]): PlacedRange[] {
  const result: PlacedRange[] = [];
  for (const range of ranges) {
    if (range.from === range.to) continue;
    const last = result.at(-1);
    if (last?.server === range.server && last.to === range.from) result[result.length - 1] = { ...last, to: range.to };
    else result.push(range);
  }
  return result;
}

/** The ranges of one server, in ascending order. */
export function rangesOf(placement: Placement, server: number): Range[] {
  return placement.filter((range) => range.server === server).map(({ from, to }) => ({ from, to }));
}
